"""Answers with the last part of the request's path and how many requests this instance has answered:
always 1."""

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam

answered = 0


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        global answered
        answered += 1
        value = request.path_with_query().rsplit("/", 1)[-1]
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(f"hello {value} {answered}\n".encode())
        OutgoingBody.finish(body, None)
