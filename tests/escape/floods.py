"""Saying too much, and saying what nobody understands, where the node listens."""

import array
import errno
import os
import random
import socket
import struct
import time

LONGEST = 64 << 10


def for_seconds(seconds, say):
    """Says something over and over, and tells how many bytes that were."""
    end, said = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        said += say()
    return said


def output(event, context):
    """Lines on standard output."""
    lines = (b"x" * 99 + b"\n") * 1000
    return for_seconds(event["seconds"], lambda: os.write(1, lines))


def endless_line(event, context):
    line = b"x" * LONGEST
    return for_seconds(event["seconds"], lambda: os.write(2, line))


def empty_lines(event, context):
    lines = b"\n" * LONGEST
    return for_seconds(event["seconds"], lambda: os.write(1, lines))


def frames(event, context):
    """Lines by the bootstrap's own way, each a frame of its own."""
    text = b"1" + b"x" * 100
    lines = (struct.pack("<IBI", 5 + len(text), 23, 1) + text) * 500
    return for_seconds(event["seconds"], lambda: os.write(3, lines))


def say(data):
    """Says it all, as far as somebody listens."""
    try:
        while data:
            data = data[os.write(3, data):]
    except OSError:
        os._exit(9)


def garbage(event, context):
    say(random.Random(event["seed"]).randbytes(1 << 20))
    time.sleep(60)


def huge_frame(event, context):
    """Announces 2 GB, and sends as much as is taken."""
    say(struct.pack("<IBI", 2 << 30, 21, 1))
    while True:
        say(b"x" * LONGEST)


def largest_number(event, context):
    say(struct.pack("<IBI", 0xFFFFFFFF, 21, 1))
    time.sleep(60)


def unknown_kind(event, context):
    say(struct.pack("<IBI", 5, 99, 1))
    time.sleep(60)


def wrong_json(event, context):
    say(struct.pack("<IBI", 6, 22, 1) + b"{")
    time.sleep(60)


def unending_result(event, context):
    """Pieces of an answer that nobody asked for, many more than may be on their way."""
    piece = struct.pack("<IBI", 5 + LONGEST, 19, 1) + b"x" * LONGEST
    while True:
        say(piece)


def silence(event, context):
    """Closes the way back, and goes on."""
    os.close(3)
    time.sleep(60)


def deafness(event, context):
    """Ends the way back without closing it."""
    socket.socket(fileno=3).shutdown(socket.SHUT_RDWR)
    time.sleep(60)


def descriptors(event, context):
    """Sends open files along with lines."""
    way = socket.socket(fileno=os.dup(3))
    file = os.open("/dev/null", os.O_RDONLY)
    files = array.array("i", [file] * 200)
    line = struct.pack("<IBI", 6, 23, 1) + b"1"
    sent = 0
    while sent < 4000:
        try:
            way.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            sent += len(files)
        except OSError as error:
            # Too many are on their way for one user.
            if error.errno != errno.ETOOMANYREFS:
                raise
            time.sleep(0.001)
    return sent


def answers_of_others(event, context):
    """Answers calls that are not its own, and then its own."""
    for call in range(2, 1000):
        say(struct.pack("<IBI", 6, 21, call) + b"1" + struct.pack("<IBI", 22, 24, call) + bytes(17))
    return "mine"
