"""Somebody else on the same node, who has something to hide and answers whatever the attackers do."""

import os

PLACE = os.environ["TMPDIR"] + "/secret"
with open(PLACE, "w") as file:
    file.write(os.environ["SECRET"])


def handler(event, context):
    with open(PLACE) as file:
        return "well" if file.read() == os.environ["SECRET"] else "robbed"
