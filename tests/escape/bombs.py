"""Taking all that there is: processes, memory, disk, processors."""

import errno
import hashlib
import mmap
import os
import signal
import threading
import time


def processes(event, context):
    """Forks until it may not, and tells how far it came."""
    children = []
    try:
        while len(children) < 5000:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
        return {"children": len(children)}
    except OSError as error:
        return {"children": len(children), "error": errno.errorcode[error.errno]}
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def processes_without_end(event, context):
    """Each fork forks on, and nobody waits for anybody."""
    while True:
        try:
            os.fork()
        except OSError:
            pass


def memory(event, context):
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))


def shared_memory(event, context):
    """In files that have no name and pages that belong to no process alone."""
    while True:
        file = os.memfd_create("bomb")
        os.truncate(file, 8 << 20)
        mmap.mmap(file, 8 << 20).write(b"x" * (8 << 20))


def fill(path):
    """Fills a file system, and tells how many bytes it took."""
    written = 0
    block = b"x" * (1 << 20)
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while written < 1 << 32:
            written += os.write(file, block)
        return {"bytes": written}
    except OSError as error:
        return {"bytes": written, "error": errno.errorcode[error.errno]}
    finally:
        os.close(file)
        os.unlink(path)


def disk(event, context):
    return {path: fill(f"{path}/bomb") for path in event["paths"]}


def names(event, context):
    """Takes names instead of bytes."""
    made = 0
    try:
        while made < 1_000_000:
            os.mkdir(f"/tmp/{made}")
            made += 1
        return {"names": made}
    except OSError as error:
        return {"names": made, "error": errno.errorcode[error.errno]}


def threads(event, context):
    """50 threads that compute at once."""
    end = time.monotonic() + event["seconds"]
    rounds = []

    def compute():
        while time.monotonic() < end:
            hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 20_000)
            rounds.append(1)

    all_of_them = [threading.Thread(target=compute) for _ in range(50)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    used = os.times()
    return {"rounds": len(rounds), "processor": used.user + used.system}
