/*
 * A disk that loses what was not synced, for one process: loaded in front of libc by LD_PRELOAD.
 *
 * Beside the directory DISK_ROOT it keeps a shadow, DISK_SHADOW, of what would be there after a loss of
 * power. Nothing is taken from the process: files are written as ever, and what is in them is the page
 * cache. A sync copies into the shadow:
 *
 *   bytes/KEY   what a file held when it was synced last, and its length
 *   names/KEY   what a directory named when it was synced last: lines of KEY, `d` or `f`, and the name
 *
 * A KEY is the number of an inode and its time of birth, because numbers are given again. `disk.rs` reads
 * both after the process was killed, and puts together what a power loss leaves.
 *
 * Only a sync makes anything durable: bytes by fsync or fdatasync of their file, names by that of their
 * directory. POSIX promises no more. So a new file whose directory was not synced is gone, although ext4
 * keeps it. Memory that is mapped from a file is part of it here: that a sync of the file writes it too is
 * what Linux does, and POSIX leaves it to msync. Calls that this layer does not know end the process.
 * A call that passes by it (because it was not made by way of libc) can only make more be lost.
 *
 * A kernel also writes back by itself, at any time. With DISK_SEED one write in eight, and one change of
 * a name in eight, goes into the shadow at once.
 *
 *   DISK_TRACE    a file that gets records of what happened, in its order: see `struct record`
 *   DISK_WATCH    the file below the root whose writes are traced with their bytes, and answers with them
 *   DISK_DEAF     a prefix of names of files whose syncs do nothing, as if they were never made
 *   DISK_HOLD     a path: while it is there, syncs of the watched file wait; PATH.held says that one does
 *   DISK_DIES     the number of a sync at which the process is killed, before that is done
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What stands before the bytes of each record of the trace. */
struct record {
	uint32_t kind; /* 'W' was written, 'B' a sync begins, 'E' it has ended, 'A' an answer is about to be sent */
	uint32_t thread;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t offset;  /* of a write */
	uint32_t name;    /* bytes of the name that follow, */
	uint32_t length;  /* and bytes after that */
};

static const char *root, *shadow, *watch, *deaf, *hold;
static int trace_fd = -1;
static uint64_t seed;
static unsigned long dies;
static atomic_ulong thrown, syncs;

static void fail(const char *what)
{
	dprintf(2, "disk.c: %s: %s\n", what, strerror(errno));
	abort();
}

__attribute__((constructor)) static void begin(void)
{
	const char *trace = getenv("DISK_TRACE"), *text = getenv("DISK_SEED");
	root = getenv("DISK_ROOT");
	shadow = getenv("DISK_SHADOW");
	watch = getenv("DISK_WATCH");
	deaf = getenv("DISK_DEAF");
	hold = getenv("DISK_HOLD");
	seed = text ? strtoull(text, NULL, 10) : 0;
	text = getenv("DISK_DIES");
	dies = text ? strtoul(text, NULL, 10) : 0;
	if (trace && (trace_fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
		fail(trace);
}

/* True one time in eight. */
static int chance(void)
{
	if (!seed)
		return 0;
	uint64_t x = seed + 0x9e3779b97f4a7c15u * (atomic_fetch_add(&thrown, 1) + 1);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return ((x ^ (x >> 31)) & 7) == 0;
}

/* The path of an open file below the root, without the root; NULL for others. */
static const char *inside(int fd, char path[PATH_MAX])
{
	char link[32];
	if (!root)
		return NULL;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);
	if (length < 0)
		return NULL;
	path[length] = 0;
	size_t prefix = strlen(root);
	if (strncmp(path, root, prefix) != 0 || (path[prefix] != '/' && path[prefix] != 0))
		return NULL;
	return path[prefix] ? path + prefix + 1 : path + prefix;
}

static void note(uint32_t kind, const char *name, uint64_t offset, const struct iovec *bytes, int count)
{
	if (trace_fd < 0)
		return;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct record record = {
		.kind = kind,
		.thread = (uint32_t)syscall(SYS_gettid),
		.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		.offset = offset,
		.name = (uint32_t)strlen(name),
	};
	struct iovec all[10] = { { &record, sizeof record }, { (void *)name, record.name } };
	size_t total = sizeof record + record.name;
	for (int i = 0; i < count && i < 8; i++) {
		all[2 + i] = bytes[i];
		record.length += (uint32_t)bytes[i].iov_len;
		total += bytes[i].iov_len;
	}
	/* A file that is appended to takes each call as one. */
	if (syscall(SYS_writev, trace_fd, all, 2 + (count < 8 ? count : 8)) != (long)total)
		fail("write the trace");
}

static int key_of(int at, const char *path, int flags, char key[64], struct statx *found)
{
	if (statx(at, path, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, found) != 0)
		return -1;
	snprintf(key, 64, "%llu-%lld.%u", (unsigned long long)found->stx_ino,
		 (long long)found->stx_btime.tv_sec, found->stx_btime.tv_nsec);
	return 0;
}

/* Copies length bytes from offset on of an open file, or all and its length with offset -1. */
static void keep_bytes(int fd, const char *key, off_t length, off_t offset)
{
	char path[PATH_MAX];
	static __thread char buffer[64 << 10];
	snprintf(path, sizeof path, "%s/bytes/%s", shadow, key);
	int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (to < 0)
		fail(path);
	/* Not two at once: the older bytes could come last. */
	if (flock(to, LOCK_EX) != 0)
		fail(path);
	int from = fd;
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
		/* Nothing that is opened in this way holds a lock of POSIX, which closing another descriptor ends. */
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if ((from = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			fail(path);
	}
	off_t at = offset < 0 ? 0 : offset, end = at + length;
	if (offset < 0 && ftruncate(to, length) != 0)
		fail("cut a file of the shadow");
	while (at < end) {
		size_t some = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
		ssize_t got = pread(from, buffer, some, at);
		if (got < 0)
			fail("read what is synced");
		if (got == 0)
			break;
		if (syscall(SYS_pwrite64, to, buffer, got, at) != got)
			fail("write the shadow");
		at += got;
	}
	if (from != fd)
		close(from);
	close(to);
}

/* Keeps what a directory names now. */
static void keep_names(int fd, const char *key)
{
	static atomic_ulong number;
	char path[PATH_MAX], unfinished[PATH_MAX], inner[64];
	struct statx found;
	snprintf(path, sizeof path, "%s/names/%s", shadow, key);
	snprintf(unfinished, sizeof unfinished, "%s/%d.%lu", shadow, getpid(), atomic_fetch_add(&number, 1));
	int at = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = at < 0 ? NULL : fdopendir(at);
	FILE *to = fopen(unfinished, "we");
	if (!names || !to)
		fail("keep the names of a directory");
	for (struct dirent *entry; (entry = readdir(names));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		/* One that has gone meanwhile. */
		if (key_of(at, entry->d_name, 0, inner, &found) != 0)
			continue;
		fprintf(to, "%s %c %s\n", inner, S_ISDIR(found.stx_mode) ? 'd' : 'f', entry->d_name);
	}
	closedir(names);
	if (fclose(to) != 0 || syscall(SYS_rename, unfinished, path) != 0)
		fail("keep the names of a directory");
}

static void keep(int fd)
{
	char key[64];
	struct statx found;
	if (key_of(fd, "", AT_EMPTY_PATH, key, &found) != 0)
		fail("look at what is synced");
	if (S_ISDIR(found.stx_mode))
		keep_names(fd, key);
	else
		keep_bytes(fd, key, (off_t)found.stx_size, -1);
}

/* Waits while somebody holds the watched file's syncs. */
static void wait_if_held(const char *name)
{
	char held[PATH_MAX];
	if (!hold || !watch || strcmp(name, watch) != 0 || access(hold, F_OK) != 0)
		return;
	snprintf(held, sizeof held, "%s.held", hold);
	int told = open(held, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (told < 0)
		fail(held);
	close(told);
	while (access(hold, F_OK) == 0)
		usleep(2000);
}

static int synced(int fd, long call)
{
	char path[PATH_MAX];
	const char *name = inside(fd, path);
	if (!name)
		return (int)syscall(call, fd);
	if (deaf && strncmp(name, deaf, strlen(deaf)) == 0)
		return 0;
	note('B', name, 0, NULL, 0);
	if (atomic_fetch_add(&syncs, 1) + 1 == dies)
		raise(SIGKILL);
	wait_if_held(name);
	/* What is written from now on may miss this sync. */
	keep(fd);
	int done = (int)syscall(call, fd);
	if (done == 0)
		note('E', name, 0, NULL, 0);
	return done;
}

int fsync(int fd)
{
	return synced(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return synced(fd, SYS_fdatasync);
}

static int unknown(const char *what)
{
	errno = ENOSYS;
	fail(what);
	return -1;
}

int msync(void *address, size_t length, int flags)
{
	(void)address, (void)length, (void)flags;
	return unknown("msync is not known here: teach it to this layer");
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
	char path[PATH_MAX];
	if (inside(fd, path))
		return unknown("sync_file_range is not known here: teach it to this layer");
	return (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}

int syncfs(int fd)
{
	(void)fd;
	return unknown("syncfs is not known here: teach it to this layer");
}

/* After a write: some of them reach the disk by themselves. */
static void written(int fd, const void *bytes, ssize_t length, off_t offset)
{
	char path[PATH_MAX], key[64];
	struct statx found;
	if (length <= 0 || !root)
		return;
	int spill = chance();
	if (!spill && !watch)
		return;
	const char *name = inside(fd, path);
	if (!name)
		return;
	if (watch && strcmp(name, watch) == 0) {
		struct iovec all = { (void *)bytes, (size_t)length };
		note('W', name, (uint64_t)offset, &all, 1);
	}
	if (spill && !(deaf && strncmp(name, deaf, strlen(deaf)) == 0)) {
		if (key_of(fd, "", AT_EMPTY_PATH, key, &found) != 0)
			fail("look at what was written");
		keep_bytes(fd, key, (off_t)length, offset);
	}
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	ssize_t done = syscall(SYS_pwrite64, fd, bytes, length, offset);
	int error = errno;
	written(fd, bytes, done, offset);
	errno = error;
	return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	return pwrite64(fd, bytes, length, offset);
}

/* Before something is sent. */
static void sending(const struct iovec *bytes, int count)
{
	static const char begin[] = "HTTP/1.1 202";
	if (watch && count > 0 && bytes[0].iov_len >= sizeof begin - 1 &&
	    memcmp(bytes[0].iov_base, begin, sizeof begin - 1) == 0)
		note('A', "", 0, bytes, count);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	struct iovec all = { (void *)bytes, length };
	sending(&all, 1);
	return syscall(SYS_write, fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *bytes, int count)
{
	sending(bytes, count);
	return syscall(SYS_writev, fd, bytes, count);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size)
{
	struct iovec all = { (void *)bytes, length };
	sending(&all, 1);
	return syscall(SYS_sendto, fd, bytes, length, flags, to, size);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	return sendto(fd, bytes, length, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	sending(message->msg_iov, (int)message->msg_iovlen);
	return syscall(SYS_sendmsg, fd, message, flags);
}

/* After a change of names: some of them reach the disk by themselves. */
static void named(const char *path)
{
	char parent[PATH_MAX], known[PATH_MAX];
	if (!root || path[0] != '/' || strncmp(path, root, strlen(root)) != 0 || !chance())
		return;
	snprintf(parent, sizeof parent, "%s", path);
	char *slash = strrchr(parent, '/');
	*slash = 0;
	int error = errno;
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		if (inside(fd, known))
			keep(fd);
		close(fd);
	}
	errno = error;
}

int rename(const char *from, const char *to)
{
	int done = (int)syscall(SYS_rename, from, to);
	if (done == 0)
		named(to);
	return done;
}

int unlink(const char *path)
{
	int done = (int)syscall(SYS_unlink, path);
	if (done == 0)
		named(path);
	return done;
}

int mkdir(const char *path, mode_t mode)
{
	int done = (int)syscall(SYS_mkdir, path, mode);
	if (done == 0)
		named(path);
	return done;
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_list rest;
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	if (root && (flags & O_DSYNC) && strncmp(path, root, strlen(root)) == 0)
		return unknown("writes that sync by themselves are not known here: teach them to this layer");
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && (flags & O_CREAT))
		named(path);
	return fd;
}
