// What the bootstrap says to its host; run by `node --test`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const LOAD = 1, EVENT = 6;
const READY = 16, RESULT = 21, DONE = 24, BOOTED = 29;

function frame(kind, call, payload) {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUInt32LE(5 + bytes.length);
  head[4] = kind;
  head.writeUInt32LE(call, 5);
  return Buffer.concat([head, bytes]);
}

/** A bootstrap with a function; what it says comes from `next()`. */
async function started(t, source) {
  const directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
  writeFileSync(join(directory, "index.mjs"), source);
  const bootstrap = fileURLToPath(new URL("node.mjs", import.meta.url));
  const child = spawn(process.execPath, [bootstrap], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  });
  const host = child.stdio[3];
  const frames = [];
  let rest = Buffer.alloc(0), wake = () => {};
  host.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
      const end = 4 + rest.readUInt32LE(0);
      frames.push({ kind: rest[4], call: rest.readUInt32LE(5), payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
    wake();
  });
  const next = async () => {
    while (frames.length === 0) await new Promise((resolve) => (wake = resolve));
    return frames.shift();
  };
  assert.equal((await next()).kind, BOOTED);
  const wanted = { directory, entry: "index.mjs", handler: "", environment: {}, context: null, window: 1 << 20, zygote: false };
  host.write(frame(LOAD, 0, JSON.stringify(wanted)));
  assert.equal((await next()).kind, READY);
  return { host, next };
}

test("events that are sent together run one after the other, and none shares its time", async (t) => {
  const { host, next } = await started(t, `
    let running = 0;
    export const handler = async (event) => {
      running += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      const most = running;
      running -= 1;
      return [event, most];
    };`);
  const event = (call) => frame(EVENT, call, `id\n0\n1\n\n${call}`);
  host.write(Buffer.concat([event(1), event(2), event(3)]));
  for (const call of [1, 2, 3]) {
    const result = await next();
    assert.deepEqual([result.kind, result.call, result.payload.toString()], [RESULT, call, `[${call},1]`]);
    const done = await next();
    assert.deepEqual([done.kind, done.call, done.payload.length], [DONE, call, 17]);
    assert.equal(done.payload[16], 0, "its time is its own");
  }
});
