"""Says much before it is asked anything: lines of 8 MB, the longest frames that are taken."""

import struct

from floods import say

TEXT = b"1" + b"x" * ((8 << 20) - 1)
for _ in range(100):
    say(struct.pack("<IBI", 5 + len(TEXT), 23, 0) + TEXT)


def handler(event, context):
    return "loud"
