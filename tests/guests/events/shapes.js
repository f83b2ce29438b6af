// Lambda's style: results of every shape, by path or by the event's own word.
const results = {
  full: { statusCode: 201, headers: { "X-A": "1", "content-type": "text/css" }, cookies: ["a=1; Path=/", "b=2"], body: "body {}" },
  base64: { statusCode: 200, headers: { "content-type": "image/gif" }, body: "R0lGODlh/wD/", isBase64Encoded: true },
  bare: { hello: ["wörld"] },
  string: "just text",
  number: 42,
  nothing: undefined,
  empty: { statusCode: 204 },
  object_body: { statusCode: 200, body: { inner: true } },
  multi: { statusCode: 200, multiValueHeaders: { "x-many": ["1", "2"] }, body: "" },
  bad_status: { statusCode: "many" },
  bad_header: { statusCode: 200, headers: { "x-a": "line\nbreak" } },
  bad_base64: { statusCode: 200, isBase64Encoded: true, body: "%%%" },
};
export const handler = async (event) => results[event.want ?? event.rawPath.split("/").pop()];
