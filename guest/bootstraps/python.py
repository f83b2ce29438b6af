"""What runs inside a `python` sandbox: loads the function and runs it for each call that the host
sends over descriptor 3. Python 3.9 and newer.

A frame is: length of the rest (4 bytes, little-endian), kind (1 byte), number of the call (4 bytes),
payload. The host has the same table in crates/runtime-process/src/frames.rs.
"""

# A boot takes as long as these take to load: what few functions need is loaded when one does.
import importlib
import io
import json
import logging
import os
import resource
import select
import site
import struct
import sys
import time
import traceback
import types

LOAD, EVENT, FORK = 1, 6, 8
READY, REFUSED, RESULT, FAULT, LOG, DONE, ENDED, BEGUN, BOOTED = 16, 17, 21, 22, 23, 24, 26, 27, 29

HEAD = struct.Struct("<IBI")
COST = struct.Struct("<QQB")
LONGEST = 6 << 20  # of a result, in bytes
HOST = 3
wait = select.poll()
wait.register(HOST, select.POLLIN)
heard = b""  # of the host, and not yet looked at
current = 0


def frame(kind, call, payload=b""):
    return HEAD.pack(5 + len(payload), kind, call) + payload


def frame_json(kind, call, value):
    return frame(kind, call, json.dumps(value).encode())


def tell(frames):
    while frames := frames[os.write(HOST, frames) :]:
        pass


def log(level, text):
    tell(frame(LOG, current, b"%d" % level + text.encode("utf-8", "replace")))


def read(size):
    """So many bytes of what the host sends. It waits in poll(2), not in read(2): that the kernel would end
    also when the host has read what this process wrote, and so hold up the host with it."""
    global heard
    pieces, length = [heard], len(heard)
    while length < size:
        wait.poll()
        piece = os.read(HOST, min(max(size - length, 1 << 13), 1 << 16))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        length += len(piece)
    whole = b"".join(pieces)
    heard = whole[size:]
    return whole[:size]


def receive():
    length, kind, call = HEAD.unpack(read(HEAD.size))
    return kind, call, read(length - 5)


class Lines(io.TextIOBase):
    """A stream whose lines go to the host's log, in order with everything else that it is told."""

    def __init__(self, level):
        self.level = level
        self.rest = ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            log(self.level, line)
        return len(text)

    def end(self):
        if self.rest:
            self.write("\n")


class Records(logging.Handler):
    """What a function logs, with its level."""

    def emit(self, record):
        try:
            log(min(3, max(0, record.levelno // 10 - 1)), self.format(record))
        except Exception:
            self.handleError(record)


class Context:
    """Lambda's context object."""

    identity = None
    client_context = None
    tenant_id = None

    def __init__(self, aws_request_id, deadline_ms, attempt):
        self.aws_request_id = aws_request_id
        self.attempt = attempt
        self._deadline = deadline_ms / 1000

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, text):
        sys.stdout.write(str(text))

    @classmethod
    def describe(cls, given):
        """Takes what is the same for every call."""
        cls.function_name = given.get("functionName")
        cls.function_version = given.get("functionVersion")
        cls.invoked_function_arn = given.get("invokedFunctionArn")
        cls.memory_limit_in_mb = given.get("memoryLimitInMB")
        cls.log_group_name = given.get("logGroupName")
        cls.log_stream_name = given.get("logStreamName")


def described(error):
    """An error as the host reads it, with the stack from the function's own code on."""
    kind = type(error)
    name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, importlib.__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"):
        trace = trace.tb_next
    lines = traceback.format_exception(kind, error, trace)
    return {"name": name, "message": str(error), "stack": "".join(lines).rstrip()}


def find_packages():
    """Has Python find what is installed on the host. It starts without its own `site`, which would run
    whatever packages of the host want to have run at each start of any Python there (`.pth` files)."""
    if "PYTHONPATH" in os.environ:
        # There may be a `sitecustomize` of the function.
        site.main()
        return
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path.extend(path for path in site.getsitepackages() if os.path.isdir(path))


def load(wanted):
    os.environ.update(wanted["environment"])
    os.chdir(wanted["directory"])
    sys.path.insert(0, wanted["directory"])
    Context.describe(wanted["context"] or {})
    entry = wanted["entry"]
    if not os.path.exists(entry):
        raise FileNotFoundError(f"there is no file {entry}")
    module = importlib.import_module(os.path.splitext(entry)[0].replace("/", "."))
    named = wanted["handler"].rpartition(".")[2]
    names = [named] if named else ["handler", "lambda_handler"]
    for name in names:
        found = getattr(module, name, None)
        if callable(found):
            return found
    exported = [name for name, value in vars(module).items() if isinstance(value, types.FunctionType) and not name.startswith("_")]
    raise AttributeError(
        f"{entry} has no function {' or '.join(names)} (it has {', '.join(exported) or 'none'}): "
        "write `def handler(event, context):`"
    )


def used():
    """Processor time of this process and of the children that it waited for, in seconds."""
    # Not os.times(): it counts in ticks of the clock, ten milliseconds each.
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


served = 0
memory = 0


def peak():
    """The most memory so far, in bytes: looked at now and then."""
    global served, memory
    if served % 32 == 0:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        memory = max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024
    served += 1
    return memory


def encode(value):
    """What JSON has no word for, as Lambda's own runtime writes it."""
    decimal = getattr(sys.modules.get("decimal"), "Decimal", None)
    if decimal and isinstance(value, decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


to_json = json.JSONEncoder(default=encode).encode
from_json = json.JSONDecoder().decode


def serve(handler, call, payload):
    before = used()
    aws_request_id, deadline, attempt, trace, event = payload.split(b"\n", 4)
    try:
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace.decode()
        context = Context(aws_request_id.decode(), int(deadline), int(attempt))
        result = handler(from_json(event.decode()), context)
        try:
            encoded = to_json(result).encode()
            if len(encoded) > LONGEST:
                raise ValueError(f"it is larger than {LONGEST >> 20} MB")
            answer = frame(RESULT, call, encoded)
        except (TypeError, ValueError) as error:
            what = {"invalid": True, "name": "Runtime.MarshalError", "message": f"the result cannot be sent: {error}"}
            answer = frame_json(FAULT, call, what)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: B036, whatever it is, it is the function's
        answer = frame_json(FAULT, call, described(error))
    sys.stdout.end()
    sys.stderr.end()
    cost = COST.pack(max(0, int((used() - before) * 1e6)), peak(), 0)
    tell(answer + frame(DONE, call, cost))


def seal():
    """Lets no fork look into this process, which stays, or into another."""
    import ctypes

    # For later: a function may have a file of that name.
    import socket  # noqa: F401

    PR_SET_DUMPABLE = 4
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "hide the memory of this process")


def fork_for_each_call(handler):
    """Forks whenever the host sends a socket; the fork runs the call that comes over it."""
    global current, heard
    import socket

    host = socket.socket(fileno=HOST)
    while True:
        wait.poll()
        head, descriptors, _, _ = socket.recv_fds(host, HEAD.size, 1)
        if len(head) < HEAD.size or not descriptors:
            os._exit(0)
        number = HEAD.unpack(head)[2]
        pid = os.fork()
        if pid == 0:
            # In its place, so that this process's own is out of reach.
            os.dup2(descriptors[0], HOST)
            os.close(descriptors[0])
            heard = b""
            kind, current, payload = receive()
            if kind == EVENT:
                tell(frame(BEGUN, current))
                serve(handler, current, payload)
            raise SystemExit(0)
        os.close(descriptors[0])
        _, status = os.waitpid(pid, 0)
        tell(frame(ENDED, number, struct.pack("<i", os.waitstatus_to_exitcode(status))))


def main():
    global current
    find_packages()
    sys.stdout, sys.stderr = Lines(1), Lines(3)
    logging.getLogger().addHandler(Records())
    sys.argv = [""]
    tell(frame(BOOTED, 0))
    handler = None
    while True:
        kind, call, payload = receive()
        if kind == LOAD:
            try:
                wanted = json.loads(payload)
                if wanted["zygote"]:
                    seal()
                handler = load(wanted)
                tell(frame_json(READY, 0, {"style": "event"}))
            except SystemExit:
                raise
            except BaseException as error:  # noqa: B036
                tell(frame_json(REFUSED, 0, described(error)))
                continue
            if wanted["zygote"]:
                fork_for_each_call(handler)
        elif kind == EVENT:
            current = call
            serve(handler, call, payload)


try:
    main()
except SystemExit as end:
    sys.stdout.end()
    sys.stderr.end()
    os._exit(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
