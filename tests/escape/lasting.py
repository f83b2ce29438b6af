"""Staying when it is time to go."""

import os
import signal
import subprocess
import sys
import time


def daemon(event, context):
    """Leaves a process behind that belongs to nobody: twice forked, in a session of its own."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return "left one behind"
    os.setsid()
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    for descriptor in range(64):
        try:
            os.close(descriptor)
        except OSError:
            pass
    os.execv("/bin/sleep", ["sleep", event["seconds"]])


def leftovers(event, context):
    """What an earlier invocation left: files, processes, values."""
    found = [name for name in os.listdir("/proc") if name.isdigit()]
    files = os.listdir("/tmp") + os.listdir("/dev/shm")
    before = getattr(sys, "before", None)
    sys.before = "was here"
    open("/tmp/before", "w").close()
    open("/dev/shm/before", "w").close()
    subprocess.Popen(["/bin/sleep", "600"])
    return {"processes": len(found), "files": files, "values": before}


def forever(event, context):
    """Does not hear that it shall end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(0.01)


def traces(event, context):
    """The files of an earlier invocation, where nothing but its own directory may be written."""
    files = os.listdir(os.environ["TMPDIR"])
    os.makedirs(os.environ["TMPDIR"] + "/was/here")
    subprocess.Popen(["/bin/sleep", "600"])
    return files
