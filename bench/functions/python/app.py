"""What `process-hello` measures in Python; the counter tells how many answers its process gave."""

answers = 0


def handler(event, context):
    global answers
    answers += 1
    segment = event["rawPath"].rpartition("/")[2]
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": f"hello {segment} {answers}\n"}
