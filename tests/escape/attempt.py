"""What the attacks in this directory are written with.

Each module here is a function: called with what the attacker knows of the host (`world`), it makes its
attacks, all of them or those that `world["only"]` names, and tells what each came to: `allowed: ...`, or
`denied: ...` with the kernel's reason.

Outside of a sandbox the same attacks are made by `python3 attempt.py MODULE WORLD`: what is denied inside
has to be allowed somewhere, or the test of it proves nothing.
"""

import ctypes
import errno
import importlib
import json
import os
import platform
import sys

libc = ctypes.CDLL(None, use_errno=True)

# Numbers of system calls on x86-64 and arm64.
NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listmount": (458, 458),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "seccomp": (317, 277),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
COLUMN = 0 if platform.machine() == "x86_64" else 1


class Denied(Exception):
    """An attack that the kernel answered, but that got nothing by it."""


def call(name, *arguments):
    """Makes a system call: numbers, bytes and buffers; `None` is the null pointer."""
    numbers = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name][COLUMN]), *numbers)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def descriptor(name, *arguments):
    """Makes a system call that opens a descriptor, and closes it."""
    os.close(call(name, *arguments))
    return "a descriptor"


def outcome(attack, world):
    try:
        return f"allowed: {attack(world)}"
    except (Denied, ValueError) as denied:
        return f"denied: {denied}"
    except OSError as error:
        if isinstance(error, TimeoutError):
            return "denied: no answer"
        return f"denied: {errno.errorcode.get(error.errno, error)}"


def attacks():
    """A decorator that takes attacks, and the handler that makes them."""
    known = {}

    def attack(function):
        known[function.__name__] = function
        return function

    def handler(world, context):
        return {name: outcome(known[name], world) for name in world.get("only") or known}

    return attack, handler


def in_child(attack):
    """What an attack comes to in a process of its own, for one that may end it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, outcome(lambda _: attack(), None).encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 4096).decode()
    os.close(reading)
    _, status = os.waitpid(child, 0)
    kind, _, what = (said or f"denied: signal {os.WTERMSIG(status)}").partition(": ")
    if kind == "denied":
        raise Denied(what)
    return what


if __name__ == "__main__":
    module = importlib.import_module(sys.argv[1])
    json.dump(module.handler(json.loads(sys.argv[2]), None), sys.stdout)
