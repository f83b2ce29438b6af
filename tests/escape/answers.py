"""Answers that are not what they seem."""

import struct
import sys

from floods import say


def frames(call, kind, payload):
    return struct.pack("<IBI", 5 + len(payload), kind, call) + payload


def smuggled(event, context):
    """An answer with another one inside, for whoever believes its headers."""
    inner = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen"
    headers = {"content-length": "3", "transfer-encoding": "chunked", "connection": "x-hop", "x-hop": "1"}
    return {"statusCode": 200, "headers": headers, "body": "0\r\n\r\n" + inner}


def many_headers(event, context):
    return {"statusCode": 200, "headers": {f"x-{n}": "y" for n in range(40_000)}, "body": "many"}


def many_cookies(event, context):
    return {"statusCode": 200, "cookies": ["a=b"] * 40_000, "body": "many"}


def lying(event, context):
    """Tells of all the processor time and memory that there ever was."""
    call = sys.modules["__main__"].current
    say(frames(call, 21, b'"lied"') + frames(call, 24, b"\xff" * 17))
    return "nobody hears this"
