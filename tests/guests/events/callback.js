// Lambda's oldest style: an answer through a callback.
export function handler(event, context, callback) {
  const want = event.want ?? event.rawPath.split("/").pop();
  if (want === "error") return callback(new RangeError("told by callback"));
  if (want === "twice") callback(null, "first");
  setTimeout(() => callback(null, { statusCode: 200, body: `called back ${want}` }), 1);
}
