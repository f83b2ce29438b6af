"""Files of the host, of the platform and of other functions; devices; files that give powers."""

import os
import shutil
import stat
import subprocess

from attempt import Denied, attacks

attack, handler = attacks()

TMP = os.environ.get("TMPDIR", "/tmp")
# All but the host's programs.
TOPS = ["/etc", "/var", "/tmp", "/dev/shm", "/proc", "/root", "/home", "/run", "/opt", "/srv", "/mnt", "/media", "/data"]


def read(path):
    with open(path, "rb") as file:
        return len(file.read(4096))


def write(path):
    with open(path, "r+b") as file:
        file.write(b"x")


@attack
def hashes_of_passwords(world):
    return read("/etc/shadow")


@attack
def users_of_the_host(world):
    with open("/etc/passwd") as file:
        names = {line.split(":")[0] for line in file}
    found = names & set(world["users"])
    if not found:
        raise Denied("none of them is there")
    return found


@attack
def home_of_root(world):
    return os.listdir("/root")


@attack
def homes(world):
    return os.listdir("/home")


@attack
def kernel_objects(world):
    return os.listdir("/sys")


@attack
def data_directory(world):
    return os.listdir(world["data"])


@attack
def master_key(world):
    return read(world["data"] + "/keys/master")


@attack
def admin_token(world):
    return read(world["data"] + "/admin-token")


@attack
def records(world):
    return read(world["data"] + "/control.db")


@attack
def code_of_others(world):
    return os.listdir(world["data"] + "/cache/code")


@attack
def files_with_the_neighbours_secret(world):
    found = []
    for top in world.get("only_below") or TOPS:
        for directory, directories, names in os.walk(top):
            # Its own memory holds what it looks for.
            directories[:] = [name for name in directories if name not in ("task", "map_files", "fdinfo")]
            for name in names:
                path = os.path.join(directory, name)
                try:
                    if path.endswith(("/mem", "/pagemap", "/kmsg", "/trace_pipe")) or not stat.S_ISREG(os.stat(path).st_mode):
                        continue
                    with open(path, "rb") as file:
                        # Its name is turned round, so that the attack does not find itself.
                        if world["secret"][::-1].encode() in file.read(1 << 20):
                            found.append(path)
                except OSError:
                    pass
    if not found:
        raise Denied("no file holds it")
    return found


@attack
def way_out_by_dots(world):
    return read("/var/task/../../../../../../etc/shadow")


@attack
def way_out_by_the_root_of_init(world):
    return read("/proc/1/root/etc/shadow")


@attack
def way_out_by_the_directory_of_init(world):
    return os.listdir("/proc/1/cwd/")


@attack
def way_out_by_a_link(world):
    os.symlink("/proc/self/root/../../etc/shadow", f"{TMP}/link")
    try:
        return read(f"{TMP}/link")
    finally:
        os.unlink(f"{TMP}/link")


@attack
def way_out_by_descriptors(world):
    """What it inherited: nothing, two pipes, and with a bootstrap of ours its socket."""
    kinds = []
    for number in range(1024):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISBLK(mode):
            kinds.append(os.readlink(f"/proc/self/fd/{number}"))
    if not kinds:
        raise Denied("no file is open")
    return kinds


@attack
def memory_of_the_kernel(world):
    return read("/proc/kcore")


@attack
def messages_of_the_kernel(world):
    return os.open("/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK)


@attack
def addresses_of_the_kernel(world):
    with open("/proc/kallsyms") as file:
        if any(int(line.split()[0], 16) for line in file):
            return "known"
    raise Denied("all are zero")


@attack
def memory_device(world):
    return os.open("/dev/mem", os.O_RDONLY)


@attack
def disk(world):
    return os.open(world["disk"], os.O_RDONLY)


@attack
def terminal(world):
    return os.open("/dev/tty", os.O_RDWR)


@attack
def fuse(world):
    return os.open("/dev/fuse", os.O_RDWR)


@attack
def tunnel(world):
    return os.open("/dev/net/tun", os.O_RDWR)


@attack
def virtual_machines(world):
    return os.open("/dev/kvm", os.O_RDWR)


@attack
def made_memory_device(world):
    os.mknod(f"{TMP}/mem", stat.S_IFCHR | 0o600, os.makedev(1, 1))
    os.unlink(f"{TMP}/mem")


@attack
def made_null_device(world):
    os.mknod("/dev/shm/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.unlink("/dev/shm/null")


@attack
def made_disk(world):
    os.mknod(f"{TMP}/disk", stat.S_IFBLK | 0o600, os.stat(world["disk"]).st_rdev if os.path.exists(world["disk"]) else os.makedev(254, 0))
    os.unlink(f"{TMP}/disk")


@attack
def own_code(world):
    write("/var/task/attempt.py")


@attack
def own_code_removed(world):
    os.unlink("/var/task/attempt.py")


@attack
def own_code_with_another_mode(world):
    path = os.path.join(os.environ.get("LAMBDA_TASK_ROOT", "."), "attempt.py")
    os.chmod(path, 0o777)
    if stat.S_IMODE(os.stat(path).st_mode) != 0o777:
        raise Denied("it stays as it is")


@attack
def file_beside_the_code(world):
    open("/var/task/x", "w")


@attack
def bootstrap(world):
    write("/var/runtime/python.py")


@attack
def program_of_the_host(world):
    write("/usr/bin/env")


@attack
def new_program_of_the_host(world):
    open("/usr/bin/mayfly-escape", "w")


@attack
def users(world):
    write("/etc/passwd")


@attack
def names_of_hosts(world):
    open("/etc/resolv.conf", "w")


@attack
def file_at_the_root(world):
    open("/x", "w")


@attack
def file_beside_the_devices(world):
    open("/dev/x", "w")


@attack
def handler_of_cores(world):
    write("/proc/sys/kernel/core_pattern")


@attack
def helper_of_modules(world):
    write("/proc/sys/kernel/modprobe")


@attack
def system_request(world):
    write("/proc/sysrq-trigger")


@attack
def number_of_namespaces(world):
    write("/proc/sys/user/max_user_namespaces")


@attack
def name_of_the_host(world):
    write("/proc/sys/kernel/hostname")


@attack
def own_place_in_memory_shortage(world):
    write("/proc/self/oom_score_adj")


@attack
def own_map_of_users(world):
    write("/proc/self/uid_map")


@attack
def setuid_program(world):
    """A program of the host that makes whoever runs it root."""
    process = subprocess.Popen(["/usr/bin/su"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Its first words come when it is the user that it is going to be.
    process.stdout.read(1)
    with open(f"/proc/{process.pid}/status") as file:
        users = next(line for line in file if line.startswith("Uid")).split()[1:]
    process.kill()
    process.communicate()
    if "0" not in users:
        raise Denied(f"it stays {users[1]}")
    return "root"


@attack
def own_setuid_program(world):
    """A copy of a program that belongs to somebody else."""
    shutil.copy("/usr/bin/id", f"{TMP}/id")
    try:
        os.chmod(f"{TMP}/id", 0o4755)
        os.chown(f"{TMP}/id", 0, 0)
        return subprocess.run([f"{TMP}/id", "-u"], capture_output=True, text=True).stdout.strip()
    finally:
        os.unlink(f"{TMP}/id")


@attack
def other_user(world):
    os.setuid(0)


@attack
def other_group(world):
    os.setgid(0)


@attack
def more_groups(world):
    os.setgroups([0, 6])


@attack
def file_of_another_user(world):
    open(f"{TMP}/owned", "w")
    try:
        os.chown(f"{TMP}/owned", 0, 0)
        if os.stat(f"{TMP}/owned").st_uid != 0:
            raise Denied("it stays as it is")
    finally:
        os.unlink(f"{TMP}/owned")
