"""What a sandbox without namespaces shares with the host: queues and memory of System V, priorities of a user's
processes, marks on files, sockets that are named by files."""

import ctypes
import os
import socket

from attempt import Denied, attacks, libc

attack, handler = attacks()

IPC_RMID = 0


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return result


@attack
def memory_of_system_v(world):
    made = checked(libc.shmget(0, 4096, 0o1600))
    return checked(libc.shmctl(made, IPC_RMID, None))


@attack
def semaphores_of_system_v(world):
    made = checked(libc.semget(0, 1, 0o1600))
    return checked(libc.semctl(made, 0, IPC_RMID))


@attack
def messages_of_system_v(world):
    made = checked(libc.msgget(0, 0o1600))
    return checked(libc.msgctl(made, IPC_RMID, None))


@attack
def priority_of_a_user(world):
    """Nobody may try this who shares a user with others: it is not undone."""
    os.setpriority(os.PRIO_USER, 0, 1)


@attack
def priority_of_a_group(world):
    os.setpriority(os.PRIO_PGRP, 0, 1)


def datagram(kind, world):
    pair = socket.socketpair(socket.AF_UNIX, kind)
    return pair[0].sendto(b"x", world["datagrams"])


@attack
def datagram_to_a_service(world):
    return datagram(socket.SOCK_DGRAM, world)


@attack
def raw_datagram_to_a_service(world):
    """A pair of raw sockets is one of datagrams."""
    return datagram(socket.SOCK_RAW, world)


@attack
def mode_of_a_file(world):
    before = os.stat(world["file"]).st_mode
    os.chmod(world["file"], 0o600)
    if os.stat(world["file"]).st_mode == before:
        raise Denied("it stays as it is")


@attack
def times_of_a_file(world):
    before = os.stat(world["file"]).st_mtime
    os.utime(world["file"], (1, 1))
    if os.stat(world["file"]).st_mtime == before:
        raise Denied("it stays as it is")


@attack
def mark_on_a_file(world):
    os.setxattr(world["file"], "user.mark", b"x")


@attack
def length_of_a_file(world):
    os.truncate(world["file"], 0)
