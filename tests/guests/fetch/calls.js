// fetch, to a server whose address is in env.
import { checks, equal, ok, rejects, utf8 } from "../js/lib/check.js";

export default checks({
  "a GET": async ({ env }) => {
    const response = await fetch(`${env.UPSTREAM}/echo?a=b#c`, { headers: { "X-One": "1", cookie: "k=v" } });
    const seen = await response.json();
    equal([response.status, response.ok, response.type, response.redirected, response.url], [200, true, "basic", false, `${env.UPSTREAM}/echo?a=b`]);
    const headers = Object.fromEntries(seen.headers);
    equal([seen.method, seen.path, headers["x-one"], headers.cookie, headers.host], ["GET", "/echo?a=b", "1", "k=v", new URL(env.UPSTREAM).host]);
  },
  "methods and bodies": async ({ env }) => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const seen = await (await fetch(`${env.UPSTREAM}/echo`, { method, body: `body of ${method}` })).json();
      equal([seen.method, seen.body], [method, `body of ${method}`]);
    }
    const form = await (await fetch(`${env.UPSTREAM}/echo`, { method: "POST", body: new URLSearchParams({ a: "ü" }) })).json();
    equal([form.body, Object.fromEntries(form.headers)["content-type"]], ["a=%C3%BC", "application/x-www-form-urlencoded;charset=UTF-8"]);
    const head = await fetch(`${env.UPSTREAM}/echo`, { method: "HEAD" });
    equal([head.status, await head.text()], [200, ""]);
  },
  "a Request is sent": async ({ env }) => {
    const request = new Request(`${env.UPSTREAM}/echo`, { method: "POST", body: "x", headers: { a: "b" } });
    const seen = await (await fetch(request, { headers: { c: "d" } })).json();
    const headers = Object.fromEntries(seen.headers);
    equal([seen.body, headers.a, headers.c, request.bodyUsed], ["x", undefined, "d", true]);
  },
  "redirects are followed, refused or handed over": async ({ env }) => {
    const followed = await fetch(`${env.UPSTREAM}/redirect/3`, { method: "POST", body: "x" });
    const seen = await followed.json();
    equal([followed.redirected, followed.url, seen.method, seen.body], [true, `${env.UPSTREAM}/echo`, "GET", ""]);
    const manual = await fetch(`${env.UPSTREAM}/redirect/1`, { redirect: "manual" });
    equal([manual.status, manual.headers.get("location")], [302, "/echo"]);
    await rejects(fetch(`${env.UPSTREAM}/redirect/1`, { redirect: "error" }), "TypeError");
    await rejects(fetch(`${env.UPSTREAM}/redirect/30`), "TypeError");
  },
  "a redirect to a host that is not allowed is refused": async ({ env }) => {
    const error = await rejects(fetch(`${env.UPSTREAM}/redirect-to?http://127.0.0.1:1/`), "TypeError");
    ok(/may not be called/.test(error.message), error.message);
  },
  "statuses are answers, not errors": async ({ env }) => {
    for (const status of [404, 500, 204]) equal((await fetch(`${env.UPSTREAM}/status/${status}`)).status, status);
  },
  "headers come back, immutable, cookies apart": async ({ env }) => {
    const { headers } = await fetch(`${env.UPSTREAM}/headers`);
    equal([headers.getSetCookie(), headers.get("x-several"), headers.get("server-timing")], [["a=1; Path=/", "b=2"], "one, two", "db;dur=3"]);
    let failed = false;
    try {
      headers.set("a", "b");
    } catch {
      failed = true;
    }
    ok(failed);
  },
  "a large body comes whole": async ({ env }) => equal((await (await fetch(`${env.UPSTREAM}/large/3000000`)).bytes()).length, 3000000),
  "a streamed upload arrives whole": async ({ env }) => {
    let left = 20;
    const body = new ReadableStream({ pull: (controller) => (left-- > 0 ? controller.enqueue(utf8("0123456789")) : controller.close()) });
    const seen = await (await fetch(`${env.UPSTREAM}/echo`, { method: "POST", body, duplex: "half" })).json();
    equal([seen.size, seen.body.slice(0, 12)], [200, "012345678901"]);
  },
  "an upload comes back as it is sent": async ({ env }) => {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const asked = fetch(`${env.UPSTREAM}/body`, { method: "POST", body: readable, duplex: "half" });
    await writer.write(utf8("one"));
    const reader = (await asked).body.getReader();
    equal([...(await reader.read()).value], [...utf8("one")]);
    await writer.write(utf8("two"));
    equal([...(await reader.read()).value], [...utf8("two")]);
    await writer.close();
    equal((await reader.read()).done, true);
  },
  "a body that breaks rejects": async ({ env }) => {
    const response = await fetch(`${env.UPSTREAM}/broken`);
    equal(response.status, 200);
    await rejects(response.text());
  },
  "an abort stops a fetch": async ({ env }) => {
    await rejects(fetch(`${env.UPSTREAM}/hang`, { signal: AbortSignal.timeout(20) }), "TimeoutError");
    const controller = new AbortController();
    const asked = fetch(`${env.UPSTREAM}/hang`, { signal: controller.signal });
    setTimeout(() => controller.abort("enough"), 20);
    equal(await asked.catch((reason) => reason), "enough");
    await rejects(fetch(`${env.UPSTREAM}/echo`, { signal: AbortSignal.abort() }), "AbortError");
  },
  "many at once": async ({ env }) => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, at) => fetch(`${env.UPSTREAM}/echo?${at}`).then((response) => response.json())));
    equal(answers.map((answer) => answer.path), Array.from({ length: 30 }, (_, at) => `/echo?${at}`));
  },
  "another port of the same host is not listed": async ({ env }) => {
    const error = await rejects(fetch("http://127.0.0.1:1/"), "TypeError");
    ok(error.message.includes('egress = ["127.0.0.1:1"]'), error.message);
  },
  "what is no HTTP is refused": async () => {
    for (const url of ["ftp://127.0.0.1/", "file:///etc/passwd", "nonsense"]) await rejects(fetch(url), "TypeError", url);
  },
  "a data URL needs nobody": async () => {
    const response = await fetch("data:text/plain;base64,Z3LDvG4=");
    equal([await response.text(), response.headers.get("content-type")], ["grün", "text/plain"]);
  },
});
