"""System calls that reach beyond a process."""

import ctypes
import mmap
import os
import platform
import signal
import struct

from attempt import Denied, attacks, call, descriptor, in_child, libc

attack, handler = attacks()

NAMESPACES = {
    "user": 0x10000000,
    "mount": 0x20000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
    "cgroup": 0x2000000,
    "time": 0x80,
}
MS_REMOUNT, MS_BIND, MNT_DETACH = 32, 4096, 2
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
SIGCHLD = int(signal.SIGCHLD)


@attack
def mount_of_memory(world):
    call("mount", b"none", b"/tmp", b"tmpfs", 0, b"")
    call("umount2", b"/tmp", MNT_DETACH)


@attack
def mount_of_a_directory(world):
    call("mount", b"/etc", b"/tmp", None, MS_BIND, None)
    call("umount2", b"/tmp", MNT_DETACH)


@attack
def mount_made_writable(world):
    call("mount", None, b"/usr", None, MS_REMOUNT | MS_BIND, None)


@attack
def mount_by_the_new_calls(world):
    return descriptor("fsopen", b"tmpfs", 0)


@attack
def view_of_mounts(world):
    return descriptor("open_tree", AT_FDCWD, b"/", 1)


@attack
def mount_with_other_attributes(world):
    return call("mount_setattr", AT_FDCWD, b"/", 0, struct.pack("QQQQ", 0, 1, 0, 0), 32)


@attack
def list_of_mounts(world):
    ids = (ctypes.c_uint64 * 64)()
    request = struct.pack("IIQQ", 24, 0, 0xFFFFFFFFFFFFFFFF, 0)
    return call("listmount", request, ids, 64, 0)


@attack
def unmount(world):
    call("umount2", b"/proc", MNT_DETACH)


@attack
def unmount_of_the_code(world):
    call("umount2", b"/var/task", MNT_DETACH)


@attack
def another_root(world):
    return in_child(lambda: call("chroot", b"/tmp"))


@attack
def root_put_aside(world):
    call("pivot_root", b"/tmp", b"/tmp")


def new_namespace(name):
    def unshare(world):
        return in_child(lambda: call("unshare", NAMESPACES[name]))

    unshare.__name__ = f"new_{name}_namespace"
    attack(unshare)


for name in NAMESPACES:
    new_namespace(name)


@attack
def process_in_a_new_user_namespace(world):
    pid = call("clone", NAMESPACES["user"] | SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attack
def process_in_new_namespaces_by_the_new_call(world):
    flags = NAMESPACES["user"] | NAMESPACES["pid"]
    pid = call("clone3", struct.pack("8Q", flags, 0, 0, 0, SIGCHLD, 0, 0, 0), 64)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attack
def namespace_of_init(world):
    return os.open("/proc/1/ns/mnt", os.O_RDONLY)


@attack
def namespace_entered(world):
    own = os.open("/proc/self/ns/uts", os.O_RDONLY)
    try:
        call("setns", own, 0)
    finally:
        os.close(own)


@attack
def key_ring(world):
    return call("keyctl", 0, -3, 1)


@attack
def key_added(world):
    return call("add_key", b"user", b"mayfly-escape", b"x", 1, -2)


@attack
def key_asked_for(world):
    return call("request_key", b"user", b"mayfly-escape", None, -2)


@attack
def program_in_the_kernel(world):
    # BPF_MAP_CREATE of an array.
    return descriptor("bpf", 0, struct.pack("5I", 2, 4, 4, 1, 0).ljust(72, b"\0"), 72)


@attack
def counters_of_the_processor(world):
    # A software clock of this process, of user space alone.
    attributes = struct.pack("IIQQQQQ", 1, 64, 0, 0, 0, 0, 1 << 5 | 1 << 6).ljust(64, b"\0")
    return descriptor("perf_event_open", attributes, 0, -1, -1, 0)


@attack
def faults_of_pages(world):
    return descriptor("userfaultfd", os.O_CLOEXEC | 1)


@attack
def rings(world):
    return descriptor("io_uring_setup", 4, ctypes.create_string_buffer(120))


@attack
def asynchronous_files(world):
    return call("io_setup", 1, ctypes.byref(ctypes.c_ulong()))


@attack
def watches(world):
    return descriptor("inotify_init1", 0)


@attack
def watches_of_everything(world):
    return descriptor("fanotify_init", 0, 0)


@attack
def memory_that_nobody_swaps(world):
    return descriptor("memfd_secret", 0)


@attack
def handle_of_a_file(world):
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    call("name_to_handle_at", AT_FDCWD, b"/tmp", handle, ctypes.byref(ctypes.c_int()), 0)


@attack
def file_by_its_handle(world):
    """The root directory of the host's disk, which has a number that everybody knows."""
    handle = struct.pack("IiII", 8, 1, 2, 0)
    directory = os.open("/usr", os.O_RDONLY)
    try:
        return descriptor("open_by_handle_at", directory, handle, os.O_RDONLY)
    finally:
        os.close(directory)


@attack
def another_kernel(world):
    return call("kexec_load", 0, 0, None, 0)


@attack
def another_kernel_from_a_file(world):
    return call("kexec_file_load", -1, -1, 0, None, 0)


@attack
def end_of_the_machine(world):
    # A command that no kernel knows: with powers it is an invalid argument.
    return call("reboot", 0xFEE1DEAD, 672274793, 0x12345, None)


@attack
def module(world):
    return call("init_module", b"", 0, b"")


@attack
def module_from_a_file(world):
    return call("finit_module", -1, b"", 0)


@attack
def module_removed(world):
    return call("delete_module", b"mayfly_no_such_module", 0)


@attack
def swap(world):
    return call("swapon", b"/tmp/nothing", 0)


@attack
def no_swap(world):
    return call("swapoff", b"/tmp/nothing")


@attack
def time(world):
    return call("settimeofday", None, struct.pack("ii", 0, 0))


@attack
def clock(world):
    return call("clock_settime", 0, struct.pack("qq", -1, 0))


@attack
def pace_of_the_clock(world):
    # Changes nothing: no mode is set.
    return call("adjtimex", ctypes.create_string_buffer(256))


@attack
def name_of_the_host(world):
    return call("sethostname", b"escaped", 7)


@attack
def domain_of_the_host(world):
    return call("setdomainname", b"escaped", 7)


@attack
def accounts(world):
    return call("acct", b"/tmp/nothing")


@attack
def quotas(world):
    return call("quotactl", 0x80000101, None, 0, None)


@attack
def log_of_the_kernel(world):
    return call("syslog", 10, None, 0)


@attack
def terminal_of_others(world):
    return call("vhangup")


@attack
def another_personality(world):
    return call("personality", 0x0040000)


@attack
def filter_of_calls(world):
    # Asks whether an action is there; the filters themselves are compiled into the host's memory.
    return call("seccomp", 2, 0, struct.pack("I", 0x7FFF0000))


@attack
def huge_pages(world):
    mapped = libc.mmap
    mapped.restype = ctypes.c_void_p
    address = mapped(None, ctypes.c_size_t(2 << 20), 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000 | 0x4000, -1, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(2 << 20))


def machine_code(code):
    """Runs instructions, and tells what they leave as a result."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    result = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
    if -4096 < result < 0:
        raise OSError(-result, "machine code")
    return "a number"


def only_on_x86():
    if platform.machine() != "x86_64":
        raise Denied("signal 31")


@attack
def calls_of_32_bits(world):
    """`getpid` by the old interrupt, whose numbers are not those that filters know."""
    only_on_x86()
    return in_child(lambda: machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\x48\x98\xc3"))


@attack
def calls_of_another_abi(world):
    """`mount` by the numbers of x32."""
    only_on_x86()
    return in_child(lambda: machine_code(b"\xb8\xa5\x00\x00\x40\x31\xff\x31\xf6\x31\xd2\x0f\x05\xc3"))
