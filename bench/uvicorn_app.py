"""The yardstick *uvicorn*: an ASGI app without a framework, answering what bench/functions/python does."""

answers = 0


async def app(scope, receive, send):
    global answers
    if scope["type"] != "http":
        return
    answers += 1
    segment = scope["path"].rpartition("/")[2]
    body = f"hello {segment} {answers}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
