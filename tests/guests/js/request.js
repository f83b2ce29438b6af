// Request: what came in, and what can be made.
import { checks, equal, ok, rejects, throws } from "./lib/check.js";

export default checks({
  "what came in says method, whole URL and headers": ({ request }) => {
    equal(request.method, "GET");
    const url = new URL(request.url);
    equal([url.protocol, url.pathname, url.searchParams.get("q")], ["http:", "/request", "ü &"]);
    ok(url.host.startsWith("guests.localhost"), url.host);
    equal([request.body, request.bodyUsed, request.redirect, request.signal.aborted], [null, false, "follow", false]);
    ok(request instanceof Request && request.headers instanceof Headers);
  },
  "a made one normalises its method and its URL": () => {
    equal(new Request("HTTP://A.example:80/x/../y?q#h", { method: "post" }).url, "http://a.example/y?q#h");
    equal(["get", "Post", "delete", "options", "head", "put"].map((method) => new Request("http://a/", { method }).method), ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT"]);
    equal(new Request("http://a/", { method: "patch" }).method, "patch");
    for (const method of ["CONNECT", "trace", "TRACK", "a b", ""]) throws(() => new Request("http://a/", { method }), "TypeError", method);
    throws(() => new Request("/relative"), "TypeError");
    throws(() => new Request("http://user:pass@a/"), "TypeError");
  },
  "GET and HEAD have no body": () => {
    for (const method of ["GET", "HEAD"]) throws(() => new Request("http://a/", { method, body: "x" }), "TypeError", method);
    equal(new Request("http://a/", { method: "GET", body: null }).body, null);
  },
  "a stream as a body is taken": async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("streamed"));
        controller.close();
      },
    });
    equal(await new Request("http://a/", { method: "POST", body, duplex: "half" }).text(), "streamed");
  },
  "a request made of another takes its body over": async () => {
    const first = new Request("http://a/", { method: "POST", body: "x", headers: { "X-A": "1" } });
    const second = new Request(first, { headers: { "X-B": "2" } });
    equal([first.bodyUsed, second.method, second.headers.get("x-a"), second.headers.get("x-b"), await second.text()], [true, "POST", null, "2", "x"]);
    throws(() => new Request(first), "TypeError");
  },
  "clone keeps both readable": async () => {
    const one = new Request("http://a/", { method: "PUT", body: "both" });
    const two = one.clone();
    equal([await one.text(), await two.text(), two.method], ["both", "both", "PUT"]);
    throws(() => one.clone(), "TypeError");
  },
  "the signal follows what it was made with": () => {
    const controller = new AbortController();
    const request = new Request("http://a/", { signal: controller.signal });
    const copy = request.clone();
    controller.abort("why");
    equal([request.signal.aborted, request.signal.reason, copy.signal.aborted], [true, "why", true]);
    throws(() => new Request("http://a/", { signal: {} }), "TypeError");
  },
  "the incoming request can be copied with another URL": async ({ request }) => {
    const copy = new Request("http://other.example/", request);
    equal([copy.url, copy.method], ["http://other.example/", "GET"]);
    const named = new Request(request, { method: "POST", body: "b" });
    equal(await named.text(), "b");
  },
  "members that mean something to browsers alone have their defaults": () => {
    const request = new Request("http://a/", { cache: "no-store", credentials: "omit" });
    equal([request.cache, request.credentials, request.integrity, request.keepalive, request.destination], ["no-store", "omit", "", false, ""]);
    throws(() => new Request("http://a/", { redirect: "sideways" }), "TypeError");
  },
  "a broken JSON body rejects with a SyntaxError": async () => {
    await rejects(new Request("http://a/", { method: "POST", body: "{" }).json(), "SyntaxError");
  },
});
