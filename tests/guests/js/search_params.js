// URLSearchParams.
import { checks, equal, ok, throws } from "./lib/check.js";

const text = (init) => new URLSearchParams(init).toString();

export default checks({
  "every kind of init": () => {
    equal(text("?a=1&b=2"), "a=1&b=2");
    equal(text("a"), "a=");
    equal(text("&&a=1&&=x&"), "a=1&=x");
    equal(text({ a: 1, b: "ü" }), "a=1&b=%C3%BC");
    equal(text([["a", "1"], ["a", "2"]]), "a=1&a=2");
    equal(text(new URLSearchParams("k=v")), "k=v");
    equal(text(new Map([["m", "1"]])), "m=1");
    equal(text(undefined), "");
    throws(() => text([["a"]]), "TypeError");
  },
  "plus is a space, and percent-encoding is of UTF-8": () => {
    equal(new URLSearchParams("a=b+c%20d%2B").get("a"), "b c d+");
    equal(new URLSearchParams("a=%ff%zz%C3%BC").get("a"), "\ufffd%zzü");
    equal(text({ a: " *-._~!'()" }), "a=+*-._%7E%21%27%28%29");
  },
  "values can be read, changed and removed by name and value": () => {
    const params = new URLSearchParams("a=1&b=2&a=3");
    equal([params.get("a"), params.getAll("a"), params.get("c"), params.has("a", "3"), params.has("a", "4"), params.size], ["1", ["1", "3"], null, true, false, 3]);
    params.set("a", "9");
    equal(`${params}`, "a=9&b=2");
    params.append("a", "8");
    params.delete("a", "9");
    equal(`${params}`, "b=2&a=8");
  },
  "sort is stable and by code units": () => {
    const params = new URLSearchParams("z=1&\uffff=2&🦋=3&a=4&z=5&a=6");
    params.sort();
    equal([...params].map(([name, value]) => name + value), ["a4", "a6", "z1", "z5", "🦋3", "\uffff2"]);
  },
  "what is gone through may change on the way": () => {
    const params = new URLSearchParams("a=1&b=2&c=3");
    const seen = [];
    for (const [name] of params) {
      seen.push(name);
      params.delete(name);
    }
    equal([seen, `${params}`], [["a", "c"], "b=2"]);
  },
  "many entries stay quick": () => {
    const params = new URLSearchParams(Array.from({ length: 5000 }, (_, at) => [`k${at}`, `${at}`]));
    equal([params.size, params.get("k4999")], [5000, "4999"]);
    ok(params.toString().length > 30_000);
  },
});
