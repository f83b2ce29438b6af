"""Somebody else on the same node, who has something to hide and answers whatever the attackers do."""

import os

with open("/tmp/secret", "w") as file:
    file.write(os.environ["SECRET"])


def handler(event, context):
    with open("/tmp/secret") as file:
        return "well" if file.read() == os.environ["SECRET"] else "robbed"
