"""Every request to the app comes here. With a requirements.txt beside it, write `code = "."`."""

import os


def handler(event, context):
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    print(event["requestContext"]["http"]["method"], event["rawPath"])
    return {"message": f"{os.environ['GREETING']}, {name}!", "milliseconds left": context.get_remaining_time_in_millis()}
