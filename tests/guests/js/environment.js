// mayfly: env = { GREETING = "grüezi", EMPTY = "", NUMBER = "42" }
// mayfly: secrets = ["API_KEY"]
// env and secrets: both in the handler, env alone at the top level.
import { checks, equal, ok } from "./lib/check.js";

const atTop = [process.env.GREETING, process.env.API_KEY, Object.keys(process.env).sort()];

export default checks({
  "env is strings": ({ env }) => equal([env.GREETING, env.EMPTY, env.NUMBER], ["grüezi", "", "42"]),
  "a secret comes with env": ({ env }) => equal(env.API_KEY, "s3cret ü\n"),
  "process.env is the same": ({ env }) => {
    equal([process.env.API_KEY, process.env.GREETING, Object.keys(process.env).sort()], [env.API_KEY, env.GREETING, Object.keys(env).sort()]);
  },
  "nothing of the node's own environment is there": ({ env }) => equal(Object.keys(env).sort(), ["API_KEY", "EMPTY", "GREETING", "NUMBER"]),
  "the top level saw env and no secret": () => equal(atTop, ["grüezi", undefined, ["EMPTY", "GREETING", "NUMBER"]]),
  "ctx has what Workers have": ({ ctx }) => {
    ok(typeof ctx.waitUntil === "function" && typeof ctx.passThroughOnException === "function");
    ctx.waitUntil(Promise.resolve());
  },
});
