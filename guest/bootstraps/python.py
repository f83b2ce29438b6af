"""What runs inside a `python` sandbox: loads the function and runs it for each call that the host
sends over descriptor 3. Python 3.9 and newer.

A frame is: length of the rest (4 bytes, little-endian), kind (1 byte), number of the call (4 bytes),
payload. The host has the same table in crates/runtime-process/src/frames.rs.
"""

import importlib
import inspect
import io
import json
import logging
import os
import resource
import socket
import struct
import sys
import time
import traceback

LOAD, CALL, DATA, END = 1, 2, 3, 4
READY, REFUSED, RESULT, FAULT, LOG, DONE = 16, 17, 21, 22, 23, 24

HEAD = struct.Struct("<IBI")
host = socket.socket(fileno=3)
ear = host.makefile("rb")
current = 0


def send(kind, call, payload=b""):
    host.sendall(HEAD.pack(5 + len(payload), kind, call) + payload)


def send_json(kind, call, value):
    send(kind, call, json.dumps(value).encode())


def receive():
    head = ear.read(HEAD.size)
    if len(head) < HEAD.size:
        os._exit(0)
    length, kind, call = HEAD.unpack(head)
    return kind, call, ear.read(length - 5)


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
            send_json(LOG, current, {"level": self.level, "message": line})
        return len(text)

    def end(self):
        if self.rest:
            self.write("\n")


class Records(logging.Handler):
    """What a function logs, with its level."""

    LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}

    def emit(self, record):
        level = self.LEVELS.get(record.levelno, "error" if record.levelno > logging.WARNING else "info")
        send_json(LOG, current, {"level": level, "message": self.format(record)})


class Context:
    """Lambda's context object."""

    identity = None
    client_context = None

    def __init__(self, given):
        self.function_name = given["functionName"]
        self.function_version = given["functionVersion"]
        self.invoked_function_arn = given["invokedFunctionArn"]
        self.memory_limit_in_mb = given["memoryLimitInMB"]
        self.aws_request_id = given["awsRequestId"]
        self.log_group_name = given["logGroupName"]
        self.log_stream_name = given["logStreamName"]
        self._deadline = given["deadlineMs"] / 1000

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.time()) * 1000))


def described(error):
    """An error as the host reads it, with the stack from the function's own code on."""
    kind = type(error)
    name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, importlib.__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"):
        trace = trace.tb_next
    lines = traceback.format_exception(kind, error, trace)
    return {"name": name, "message": str(error), "stack": "".join(lines).rstrip()}


def load(wanted):
    os.environ.update(wanted["environment"])
    os.chdir(wanted["directory"])
    sys.path.insert(0, wanted["directory"])
    entry = wanted["entry"]
    if not os.path.exists(entry):
        raise FileNotFoundError(f"there is no file {entry}")
    module = importlib.import_module(os.path.splitext(entry)[0].replace("/", "."))
    names = [wanted["handler"]] if wanted["handler"] else ["handler", "lambda_handler"]
    for name in names:
        found = getattr(module, name, None)
        if callable(found):
            return found
    exported = [name for name, value in vars(module).items() if inspect.isfunction(value) and not name.startswith("_")]
    raise AttributeError(
        f"{entry} has no function {' or '.join(names)} (it has {', '.join(exported) or 'none'}): "
        "write `def handler(event, context):`"
    )


def used():
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return int(seconds * 1e6), max(own.ru_maxrss, children.ru_maxrss) * 1024


def serve(handler, call, context, event):
    before, _ = used()
    try:
        result = handler(json.loads(event), Context(context))
        try:
            answer = json.dumps(result).encode()
        except (TypeError, ValueError) as error:
            send_json(FAULT, call, {"invalid": True, "name": "MarshalError", "message": f"the result is no JSON: {error}"})
        else:
            send(RESULT, call, answer)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: B036, whatever it is, it is the function's
        send_json(FAULT, call, described(error))
    sys.stdout.end()
    sys.stderr.end()
    cpu, memory = used()
    send_json(DONE, call, {"cpu_us": cpu - before, "memory": memory})


def main():
    global current
    sys.stdout, sys.stderr = Lines("info"), Lines("error")
    logging.getLogger().addHandler(Records())
    sys.argv = [""]
    handler, calls = None, {}
    while True:
        kind, call, payload = receive()
        if kind == LOAD:
            try:
                handler = load(json.loads(payload))
                send_json(READY, 0, {"style": "event"})
            except SystemExit:
                raise
            except BaseException as error:  # noqa: B036
                send_json(REFUSED, 0, described(error))
        elif kind == CALL:
            calls[call] = (json.loads(payload)["context"], bytearray())
        elif kind == DATA and call in calls:
            calls[call][1].extend(payload)
        elif kind == END and call in calls:
            context, event = calls.pop(call)
            current = call
            serve(handler, call, context, event)


try:
    main()
except SystemExit as end:
    sys.stdout.end()
    sys.stderr.end()
    os._exit(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
