/* A disk that is slower to sync, for one program: each fsync and fdatasync takes 8 ms at least, as on drives without
 * power-loss protection. What is synced is synced.
 *
 * cc -O2 -shared -fPIC -o slow_sync.so slow_sync.c; LD_PRELOAD=./slow_sync.so mayfly serve ...
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LEAST_NS = 8000000 };

static int slowly(long call, int file) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += LEAST_NS;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  int result = syscall(call, file);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) continue;
  return result;
}

int fsync(int file) { return slowly(SYS_fsync, file); }
int fdatasync(int file) { return slowly(SYS_fdatasync, file); }
