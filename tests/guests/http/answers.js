// Answers of every shape, by path.
const answers = {
  text: () => new Response("grün"),
  bytes: () => new Response(Uint8Array.from({ length: 256 }, (_, at) => at)),
  json: () => Response.json({ a: [1, "ü"] }, { status: 201 }),
  redirect: () => Response.redirect("http://other.example/ü?x", 307),
  empty: () => new Response(null, { status: 204 }),
  unmodified: () => new Response(null, { status: 304, headers: { etag: '"v1"' } }),
  nothing: () => new Response(),
  cookies: () => new Response("", { headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2; HttpOnly"], ["X-Twice", "1"], ["X-Twice", "2"]] }),
  latin: () => new Response("", { headers: { "x-latin": "gr\u00fcn" } }),
  teapot: () => new Response("short and stout", { status: 418, statusText: "I'm a teapot" }),
  own: () => new Response("<b>hi</b>", { headers: { "content-type": "text/html; charset=utf-8", "content-length": "3", connection: "close", "transfer-encoding": "chunked" } }),
  large: () => new Response("x".repeat(2_000_000)),
  promise: () => new Promise((resolve) => setTimeout(() => resolve(new Response("later")), 5)),
  thenable: () => ({ then: (resolve) => resolve(new Response("thenable")) }),
  params: (request) => new Response(new URL(request.url).search),
};
export default {
  fetch(request) {
    const name = new URL(request.url).pathname.split("/").pop();
    return answers[name]?.(request) ?? new Response("no such answer", { status: 404 });
  },
};
