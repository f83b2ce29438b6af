// Headers: names, values, combining, order, guards.
import { checks, equal, ok, throws } from "./lib/check.js";

export default checks({
  "names are case-insensitive and come out in lower case, sorted": () => {
    const headers = new Headers([["X-B", "1"], ["a", "2"], ["x-b", "3"]]);
    equal([...headers], [["a", "2"], ["x-b", "1, 3"]]);
    equal(headers.get("X-b"), "1, 3");
    equal([...headers.keys()], ["a", "x-b"]);
    equal([...headers.values()], ["2", "1, 3"]);
  },
  "a record, pairs, and another Headers make one": () => {
    const record = new Headers({ One: 1, two: "2" });
    equal([...new Headers(record)], [["one", "1"], ["two", "2"]]);
    equal([...new Headers(new Map([["k", "v"]]))], [["k", "v"]]);
    throws(() => new Headers([["lonely"]]), "TypeError");
    throws(() => new Headers("a: b"), "TypeError");
    throws(() => new Headers(null), "TypeError");
  },
  "set replaces all values, append adds one, delete removes all": () => {
    const headers = new Headers();
    headers.append("a", "1");
    headers.append("A", "2");
    equal(headers.get("a"), "1, 2");
    headers.set("a", "3");
    equal(headers.get("a"), "3");
    headers.delete("A");
    equal([headers.get("a"), headers.has("a")], [null, false]);
  },
  "set-cookie is never combined": () => {
    const headers = new Headers([["set-cookie", "a=1"], ["Set-Cookie", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]]);
    equal(headers.getSetCookie(), ["a=1", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]);
    equal([...headers].length, 2);
    equal(new Headers().getSetCookie(), []);
    equal(new Headers(headers).getSetCookie().length, 2);
  },
  "white space around a value is stripped, inside it stays": () => {
    const headers = new Headers({ a: " \t b  c\r\n" });
    equal(headers.get("a"), "b  c");
    equal(new Headers({ a: "" }).get("a"), "");
  },
  "what cannot be a name or a value throws": () => {
    for (const name of ["", "a b", "a:", "é", "a\n", "(x)"]) throws(() => new Headers().append(name, "v"), "TypeError", JSON.stringify(name));
    for (const value of ["a\nb", "a\rb", "a\0b", "\u0100"]) throws(() => new Headers({ a: value }), "TypeError", JSON.stringify(value));
    equal(new Headers({ a: "\u00e9" }).get("a"), "\u00e9");
  },
  "entries can be changed while they are gone through": () => {
    const headers = new Headers({ a: "1", b: "2", c: "3" });
    const seen = [];
    headers.forEach((value, name, all) => {
      seen.push(name);
      ok(all === headers);
    });
    equal(seen, ["a", "b", "c"]);
    equal(headers[Symbol.iterator], headers.entries);
  },
  "the incoming request's headers are immutable": ({ request }) => {
    throws(() => request.headers.set("a", "b"), "TypeError");
    throws(() => request.headers.delete("host"), "TypeError");
    const copy = new Headers(request.headers);
    copy.set("a", "b");
    equal(copy.get("a"), "b");
    ok(request.headers.get("host").startsWith("guests.localhost"), request.headers.get("host"));
  },
  "a redirect's and an error's headers are immutable": () => {
    throws(() => Response.redirect("http://a/").headers.set("a", "b"), "TypeError");
    throws(() => Response.error().headers.append("a", "b"), "TypeError");
    new Response("").headers.set("a", "b");
    new Response("x", Response.redirect("http://a/")).headers.set("a", "b");
  },
  "the class looks like the standard's": () => {
    equal(Object.prototype.toString.call(new Headers()), "[object Headers]");
    equal(Headers.length, 0);
    throws(() => Headers(), "TypeError");
    throws(() => Headers.prototype.get.call({}, "a"), "TypeError");
    throws(() => new Headers().get(), "TypeError");
    throws(() => new Headers().set("a"), "TypeError");
  },
});
