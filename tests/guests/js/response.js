// Response: construction, statics, clone, bodyUsed.
import { checks, equal, ok, rejects, throws } from "./lib/check.js";

export default checks({
  "the defaults": () => {
    const response = new Response();
    equal([response.status, response.statusText, response.ok, response.type, response.url, response.redirected, response.body, response.bodyUsed], [200, "", true, "default", "", false, null, false]);
  },
  "a string body has a type, and a given one wins": () => {
    equal(new Response("x").headers.get("content-type"), "text/plain;charset=UTF-8");
    equal(new Response("x", { headers: { "Content-Type": "text/html" } }).headers.get("content-type"), "text/html");
    equal(new Response(new Uint8Array(1)).headers.get("content-type"), null);
  },
  "json() sets the type and keeps what init says": async () => {
    const response = Response.json({ a: [1, null] }, { status: 201, headers: { "x-a": "b" } });
    equal([response.status, response.headers.get("content-type"), response.headers.get("x-a"), await response.text()], [201, "application/json", "b", '{"a":[1,null]}']);
    equal(Response.json(1, { headers: { "content-type": "application/ld+json" } }).headers.get("content-type"), "application/ld+json");
    throws(() => Response.json(undefined), "TypeError");
    throws(() => Response.json(1n), "TypeError");
  },
  "redirect() takes five statuses and whole URLs": () => {
    for (const status of [301, 302, 303, 307, 308]) equal(Response.redirect("http://a.example/ü", status).headers.get("location"), "http://a.example/%C3%BC");
    equal(Response.redirect("http://a.example").status, 302);
    throws(() => Response.redirect("http://a/", 200), "RangeError");
    throws(() => Response.redirect("/relative"), "TypeError");
  },
  "error() is a response of status 0": () => {
    const response = Response.error();
    equal([response.type, response.status, response.ok, response.body], ["error", 0, false, null]);
  },
  "statuses have bounds, and some take no body": () => {
    for (const status of [199, 600, 0, 65536 + 199, NaN]) throws(() => new Response("", { status }), "RangeError", `${status}`);
    for (const status of [204, 205, 304]) {
      throws(() => new Response("x", { status }), "TypeError", `${status}`);
      throws(() => new Response("", { status }), "TypeError", `${status} with an empty string`);
      equal(new Response(null, { status }).status, status);
    }
    throws(() => new Response("", { statusText: "a\nb" }), "TypeError");
    equal(new Response("", { status: 299, statusText: "As You Like" }).statusText, "As You Like");
  },
  "ok is 200 to 299": () => equal([200, 204, 299, 300, 404].map((status) => new Response(null, { status }).ok), [true, true, true, false, false]),
  "a body can be read once": async () => {
    const response = new Response("x");
    equal(response.bodyUsed, false);
    const text = response.text();
    equal(response.bodyUsed, true);
    equal(await text, "x");
    await rejects(response.text(), "TypeError");
    throws(() => response.clone(), "TypeError");
    const empty = new Response();
    equal([await empty.text(), empty.bodyUsed, await empty.text()], ["", false, ""]);
  },
  "a clone is read apart from its origin": async () => {
    const response = new Response("abc", { status: 418, headers: { a: "1" } });
    const copy = response.clone();
    copy.headers.set("a", "2");
    equal([response.headers.get("a"), copy.status, await copy.text(), await response.text()], ["1", 418, "abc", "abc"]);
  },
  "a clone of a stream is a tee": async () => {
    let pulls = 0;
    const stream = new ReadableStream({
      pull(controller) {
        if (++pulls > 3) controller.close();
        else controller.enqueue(new TextEncoder().encode(`${pulls}`));
      },
    });
    const response = new Response(stream);
    const copy = response.clone();
    equal([await response.text(), await copy.text(), pulls], ["123", "123", 4]);
  },
  "reading the stream uses the body": async () => {
    const response = new Response("x");
    const reader = response.body.getReader();
    equal(response.bodyUsed, false);
    await rejects(response.text(), "TypeError");
    await reader.read();
    equal(response.bodyUsed, true);
  },
  "a used or locked stream is no body": () => {
    const stream = new ReadableStream();
    stream.getReader();
    throws(() => new Response(stream), "TypeError");
  },
  "a response is init for another": () => {
    const made = new Response("new", new Response("old", { status: 404, headers: { a: "1" } }));
    equal([made.status, made.headers.get("a")], [404, "1"]);
  },
  "anything else becomes a string": async () => {
    equal(await new Response(42).text(), "42");
    equal(await new Response({}).text(), "[object Object]");
    equal(await new Response(undefined).text(), "");
    equal(await new Response(null).text(), "");
  },
  "the class looks like the standard's": () => {
    ok(new Response() instanceof Response);
    throws(() => Response(), "TypeError");
    equal(Object.prototype.toString.call(new Response()), "[object Response]");
    throws(() => { "use strict"; new Response().status = 3; }, "TypeError");
  },
});
