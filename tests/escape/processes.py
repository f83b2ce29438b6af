"""Other processes: seeing, signalling, reading and slowing them down."""

import ctypes
import os
import resource
import signal

from attempt import Denied, attacks, call, in_child

attack, handler = attacks()

PTRACE_TRACEME, PTRACE_PEEKDATA, PTRACE_ATTACH, PTRACE_SEIZE = 0, 2, 16, 0x4206


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def read(path):
    with open(path, "rb") as file:
        return len(file.read(4096))


def victim():
    """A child that waits for its end."""
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    return child


def end(child):
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def read_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    here = ctypes.addressof(buffer)
    own, other = Piece(here, 8), Piece(here, 8)
    return call("process_vm_readv", pid, ctypes.byref(own), 1, ctypes.byref(other), 1, 0)


@attack
def others_in_proc(world):
    numbers = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    others = numbers - {1, os.getpid()}
    if not others:
        raise Denied("it sees its init and itself")
    return sorted(others)


@attack
def environment_of_others(world):
    return read(f"/proc/{world['pid']}/environ")


@attack
def environment_of_init(world):
    return read("/proc/1/environ")


@attack
def map_of_init(world):
    return read("/proc/1/maps")


@attack
def memory_of_init(world):
    return os.open("/proc/1/mem", os.O_RDWR)


@attack
def descriptors_of_init(world):
    return os.listdir("/proc/1/fd")


@attack
def memory_of_others(world):
    return os.open(f"/proc/{world['pid']}/mem", os.O_RDONLY)


@attack
def memory_of_others_by_a_call(world):
    return read_memory(world["pid"])


@attack
def memory_of_a_child_by_a_call(world):
    child = victim()
    try:
        return read_memory(child)
    finally:
        end(child)


@attack
def advice_on_the_memory_of_others(world):
    pidfd = os.pidfd_open(os.getpid())
    buffer = ctypes.create_string_buffer(8192)
    piece = Piece(ctypes.addressof(buffer) & ~4095, 4096)
    return call("process_madvise", pidfd, ctypes.byref(piece), 1, 20, 0)


@attack
def trace_of_others(world):
    return call("ptrace", PTRACE_ATTACH, world["pid"], 0, 0)


@attack
def trace_of_init(world):
    return call("ptrace", PTRACE_SEIZE, 1, 0, 0)


@attack
def trace_of_a_child(world):
    child = victim()
    try:
        return call("ptrace", PTRACE_SEIZE, child, 0, 0)
    finally:
        end(child)


@attack
def trace_by_the_parent(world):
    return in_child(lambda: call("ptrace", PTRACE_TRACEME, 0, 0, 0))


@attack
def comparison_of_processes(world):
    return call("kcmp", os.getpid(), os.getppid(), 0, 0, 0)


@attack
def handle_of_others(world):
    return os.pidfd_open(world["pid"])


@attack
def descriptor_of_a_child(world):
    child = victim()
    try:
        return call("pidfd_getfd", os.pidfd_open(child), 0, 0)
    finally:
        end(child)


@attack
def end_of_one(world):
    os.kill(world["pid"], signal.SIGKILL)


@attack
def end_of_its_group(world):
    os.killpg(world["pid"], signal.SIGKILL)


@attack
def end_of_init(world):
    os.kill(1, signal.SIGKILL)
    child = victim()
    end(child)
    raise Denied("the sandbox goes on")


@attack
def end_of_all(world):
    child = victim()
    os.kill(-1, signal.SIGKILL)
    os.waitpid(child, 0)
    raise Denied("its own child ended")


@attack
def end_of_every_number(world):
    child = victim()
    heard = []
    for pid in range(1, 50_001):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
                heard.append(pid)
            except ProcessLookupError:
                pass
    os.waitpid(child, 0)
    others = set(heard) - {1, child}
    if not others:
        raise Denied("its init and its own child heard it")
    return sorted(others)


@attack
def priority_of_others(world):
    os.setpriority(os.PRIO_PROCESS, world["pid"], 19)


@attack
def priority_over_others(world):
    os.setpriority(os.PRIO_PROCESS, 0, -20)


@attack
def time_before_all_others(world):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attack
def processors_of_others(world):
    os.sched_setaffinity(world["pid"], {0})


@attack
def limits_of_others(world):
    return resource.prlimit(world["pid"], resource.RLIMIT_NOFILE)


@attack
def more_processes(world):
    resource.setrlimit(resource.RLIMIT_NPROC, (100_000, 100_000))


@attack
def more_files(world):
    resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))


@attack
def cores(world):
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))


@attack
def pages_of_others(world):
    return call("move_pages", world["pid"], 0, 0, 0, 0, 0)


@attack
def nodes_of_others(world):
    nodes = ctypes.c_ulong(1)
    return call("migrate_pages", world["pid"], 64, ctypes.byref(nodes), ctypes.byref(nodes))
