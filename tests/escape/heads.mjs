// Heads of answers as no bootstrap of ours would write them.
import { writeSync } from "node:fs";

let calls = 0;

function frame(kind, call, payload) {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(5 + payload.length, 0);
  head[4] = kind;
  head.writeUInt32LE(call, 5);
  return Buffer.concat([head, payload]);
}

/** Says it all, however slowly somebody listens. */
function say(data) {
  while (data.length > 0) {
    try {
      data = data.subarray(writeSync(3, data));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const HEADS = {
  many: "200" + Array.from({ length: 40_000 }, (_, n) => `\nx-${n}\ny`).join(""),
  same: "200" + "\nx-same\ny".repeat(40_000),
  split: "200\nx-a\nb\r\nx-c: d",
  none: "",
  informational: "101\nupgrade\nx",
};

export default {
  async fetch(request) {
    calls += 1;
    const head = HEADS[new URL(request.url).pathname.slice(1)];
    if (head === undefined) return new Response("its own");
    say(frame(18, calls, Buffer.from(head, "latin1")));
    say(frame(19, calls, Buffer.from("made")));
    say(frame(20, calls, Buffer.alloc(0)));
    say(frame(24, calls, Buffer.alloc(17)));
    return new Promise(() => {});
  },
};
