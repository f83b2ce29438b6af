// An application on Hono, as it runs on any runtime that has the web's own API.
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import { jwt, sign } from "hono/jwt";
import { prettyJSON } from "hono/pretty-json";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { stream, streamSSE, streamText } from "hono/streaming";
import { validator } from "hono/validator";
import { api } from "./api.js";

const secret = "a secret of this test alone";

const app = new Hono();

app.use("/secure/*", secureHeaders());
app.use("/open/*", cors({ origin: ["https://example.com"], allowMethods: ["GET", "PUT"], maxAge: 600, credentials: true }));
app.use("/tagged/*", etag());
app.use("/account", (c, next) => {
  const [username, password] = c.env.ACCOUNT.split(":");
  return basicAuth({ username, password })(c, next);
});
app.use("/token/*", jwt({ secret, alg: "HS256" }));
app.use("/id", requestId({ generator: () => "fixed" }));
app.use("/pretty", prettyJSON());
app.use("*", async (c, next) => {
  await next();
  c.header("x-after", c.req.method);
});

app.get("/", (c) => c.text("Hono"));
app.get("/json", (c) => c.json({ a: [1, "ü", null], b: { c: true } }, 201, { "x-made": "yes" }));
app.get("/pretty", (c) => c.json({ a: 1 }));
app.get("/params/:id/:rest{.+}", (c) => c.json(c.req.param()));
app.get("/optional/:name?", (c) => c.text(c.req.param("name") ?? "nobody"));
app.get("/number/:n{[0-9]+}", (c) => c.text(`number ${c.req.param("n")}`));
app.get("/query", (c) => c.json({ one: c.req.query("q"), all: c.req.queries("q"), every: c.req.query() }));
app.get("/headers", (c) => c.json({ accept: c.req.header("accept"), own: c.req.header("x-own") }));
app.get("/id", (c) => c.text(c.get("requestId")));
app.get("/page/:name", (c) => c.html(html`<!doctype html><p>Hello, ${c.req.param("name")}</p>${["<b>", "&"].map((item) => html`<li>${item}</li>`)}`));
app.get("/redirect", (c) => c.redirect("/json", 303));
app.get("/empty", (c) => c.body(null, 204));
app.get("/bytes", (c) => c.body(Uint8Array.from({ length: 256 }, (_, at) => at), 200, { "content-type": "application/octet-stream" }));
app.get("/secure/page", (c) => c.text("locked"));
app.get("/open/data", (c) => c.json({ open: true }));
app.get("/tagged/page", (c) => c.text("the same each time"));
app.get("/account", (c) => c.text("welcome"));
app.get("/token/who", (c) => c.json(c.get("jwtPayload")));
app.get("/issue", async (c) => c.text(await sign({ sub: "ada", exp: 4102444800 }, secret, "HS256")));

app.get("/cookies/set", async (c) => {
  setCookie(c, "plain", "a b;ü", { path: "/", httpOnly: true, sameSite: "Lax" });
  setCookie(c, "short", "1", { maxAge: 60, secure: true });
  await setSignedCookie(c, "signed", "value", secret);
  deleteCookie(c, "old");
  return c.text("set");
});
app.get("/cookies/get", async (c) => c.json({ all: getCookie(c), signed: await getSignedCookie(c, secret, "signed") }));

app.post("/form", async (c) => {
  const form = await c.req.parseBody({ all: true });
  const fields = {};
  for (const [name, value] of Object.entries(form)) fields[name] = value instanceof File ? { name: value.name, type: value.type, text: await value.text() } : value;
  return c.json(fields);
});
app.post("/echo", async (c) => c.body(await c.req.arrayBuffer(), 200, { "content-type": c.req.header("content-type") ?? "text/plain" }));
app.post("/limited", bodyLimit({ maxSize: 10, onError: (c) => c.text("too much", 413) }), async (c) => c.text(await c.req.text()));
app.post(
  "/valid",
  validator("json", (value, c) => (typeof value.n === "number" ? { n: value.n } : c.json({ error: "n is a number" }, 422))),
  (c) => c.json({ twice: c.req.valid("json").n * 2 }),
);

app.get("/stream/text", (c) =>
  streamText(c, async (out) => {
    for (const word of ["one", "two", "three"]) {
      await out.writeln(word);
      await out.sleep(2);
    }
  }),
);
// A type of their own: Node's server gives `text/plain` to an answer that has none.
app.use("/stream/*", async (c, next) => {
  c.header("content-type", "application/x-stream");
  await next();
});
app.get("/stream/bytes", (c) => stream(c, async (out) => void (await out.write(new Uint8Array([1, 2, 3])))));
app.get("/stream/pipe", (c) => stream(c, (out) => out.pipe(new Blob(["piped"]).stream())));
app.get("/stream/events", (c) =>
  streamSSE(c, async (out) => {
    for (let id = 0; id < 3; id++) await out.writeSSE({ id: String(id), event: "tick", data: `line ${id}\nand more` });
  }),
);

app.on(["PUT", "PATCH"], "/several", (c) => c.text(c.req.method));
app.all("/any", (c) => c.text(`any ${c.req.method}`));
app.route("/api", api);
app.mount("/mounted", (request) => new Response(`mounted ${new URL(request.url).pathname}`));

app.get("/fails", () => {
  throw new Error("on purpose");
});
app.get("/refuses", () => {
  throw new HTTPException(409, { message: "in conflict" });
});
app.notFound((c) => c.json({ missing: c.req.path }, 404));
app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : c.json({ error: error.message }, 500)));

export default app;
