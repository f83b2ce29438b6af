// Streams: sources, sinks, transforms, backpressure, tee, byte streams, the text streams.
import { checks, equal, ok, rejects, throws, utf8 } from "./lib/check.js";

const from = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

export default checks({
  "a source is pulled only as far as its queue is wanted": async () => {
    let pulled = 0;
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue(++pulled) }, { highWaterMark: 3 });
    await turn();
    equal(pulled, 3);
    const reader = stream.getReader();
    equal((await reader.read()).value, 1);
    await turn();
    equal(pulled, 4);
    await reader.cancel();
  },
  "cancel reaches the source with its reason": async () => {
    let reason;
    const stream = new ReadableStream({ cancel: (why) => { reason = why; } });
    await stream.cancel("enough");
    equal(reason, "enough");
  },
  "leaving a for-await loop cancels, and preventCancel does not": async () => {
    let cancelled = 0;
    const make = () => new ReadableStream({ pull: (controller) => controller.enqueue(1), cancel: () => void cancelled++ });
    for await (const _ of make()) break;
    equal(cancelled, 1);
    const kept = make();
    for await (const _ of kept.values({ preventCancel: true })) break;
    equal([cancelled, kept.locked], [1, false]);
  },
  "an error goes to every reader": async () => {
    const stream = new ReadableStream({ start: (controller) => controller.error(new RangeError("broken")) });
    const reader = stream.getReader();
    await rejects(reader.read(), "RangeError");
    await rejects(reader.closed, "RangeError");
  },
  "a lock keeps others out until it is released": async () => {
    const stream = from(1, 2);
    const reader = stream.getReader();
    throws(() => stream.getReader(), "TypeError");
    await rejects(stream.cancel(), "TypeError");
    equal((await reader.read()).value, 1);
    reader.releaseLock();
    equal(await all(stream), [2]);
  },
  "tee gives both everything": async () => {
    const [one, two] = from(1, 2, 3).tee();
    equal([await all(one), await all(two)], [[1, 2, 3], [1, 2, 3]]);
  },
  "ReadableStream.from takes iterables of both kinds": async () => {
    async function* later() {
      yield "a";
      yield "b";
    }
    equal([await all(ReadableStream.from([1, 2])), await all(ReadableStream.from(later()))], [[1, 2], ["a", "b"]]);
  },
  "a sink is written one chunk at a time and says how much it wants": async () => {
    const log = [];
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    const writer = new WritableStream({
      async write(chunk) {
        log.push(`begin ${chunk}`);
        await gate;
        log.push(`end ${chunk}`);
      },
      close: () => void log.push("close"),
    }).getWriter();
    equal(writer.desiredSize, 1);
    writer.write("a");
    writer.write("b");
    equal(writer.desiredSize, -1);
    await turn();
    equal(log, ["begin a"]);
    release();
    await writer.close();
    equal(log, ["begin a", "end a", "begin b", "end b", "close"]);
  },
  "abort reaches the sink": async () => {
    let why;
    const writer = new WritableStream({ abort: (reason) => { why = reason; } }).getWriter();
    await writer.abort("stop");
    equal(why, "stop");
    await rejects(writer.write("x"));
  },
  "pipeTo closes, and hands errors over in both directions": async () => {
    const got = [];
    await from(1, 2).pipeTo(new WritableStream({ write: (chunk) => void got.push(chunk) }));
    equal(got, [1, 2]);
    let cancelled;
    const source = new ReadableStream({ pull: (controller) => controller.enqueue(1), cancel: (why) => { cancelled = why.message; } });
    await rejects(source.pipeTo(new WritableStream({ write: () => { throw new RangeError("sink") } })), "RangeError");
    equal(cancelled, "sink");
  },
  "pipeTo stops at a signal": async () => {
    const controller = new AbortController();
    const endless = new ReadableStream({ pull: (c) => turn().then(() => c.enqueue(1)) });
    const piped = endless.pipeTo(new WritableStream(), { signal: controller.signal });
    await turn();
    controller.abort();
    await rejects(piped, "AbortError");
  },
  "a transform maps, flushes and can end early": async () => {
    const doubled = from(1, 2, 3).pipeThrough(
      new TransformStream({ transform: (n, controller) => controller.enqueue(n * 2), flush: (controller) => controller.enqueue("end") }),
    );
    equal(await all(doubled), [2, 4, 6, "end"]);
    const cut = from(1, 2, 3).pipeThrough(new TransformStream({ transform: (n, controller) => (n === 2 ? controller.terminate() : controller.enqueue(n)) }));
    equal(await all(cut), [1]);
  },
  "a chain holds back its source": async () => {
    let made = 0;
    const chain = new ReadableStream({ pull: (controller) => controller.enqueue(++made) }, { highWaterMark: 0 }).pipeThrough(new TransformStream());
    await turn();
    ok(made <= 1, `made ${made} chunks that nobody asked for`);
    const reader = chain.getReader();
    equal((await reader.read()).value, 1);
    await reader.cancel();
  },
  "characters may be cut anywhere on the way through TextDecoderStream": async () => {
    const bytes = utf8("grün 🦋");
    const chunks = [...bytes].map((byte) => new Uint8Array([byte]));
    equal((await all(from(...chunks).pipeThrough(new TextDecoderStream()))).join(""), "grün 🦋");
    const wrong = from(new Uint8Array([0xff])).pipeThrough(new TextDecoderStream("utf-8", { fatal: true }));
    await rejects(all(wrong), "TypeError");
    equal((await all(from(new Uint8Array([0xf0, 0x9f])).pipeThrough(new TextDecoderStream()))).join(""), "\ufffd");
  },
  "surrogates may be cut on the way through TextEncoderStream": async () => {
    const bytes = (await all(from("\ud83e", "\udd8b", "x").pipeThrough(new TextEncoderStream()))).flatMap((part) => [...part]);
    equal(bytes, [...utf8("🦋x")]);
  },
  "a byte stream fills the reader's own buffer": async () => {
    const stream = new ReadableStream({
      type: "bytes",
      pull(controller) {
        const view = controller.byobRequest?.view;
        if (view === undefined || view === null) return controller.enqueue(utf8("own"));
        view[0] = 7;
        controller.byobRequest.respond(1);
      },
    });
    const reader = stream.getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(4));
    equal([value.length, value[0], value.buffer.byteLength], [1, 7, 4]);
    await reader.cancel();
  },
  "sizes are counted by strategies": () => {
    const stream = new ReadableStream(
      {
        start(controller) {
          controller.enqueue(new Uint8Array(10));
          equal(controller.desiredSize, 6);
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 16 }),
    );
    stream.cancel();
    equal(new CountQueuingStrategy({ highWaterMark: 3 }).size({}), 1);
  },
  "the classes cannot be made by hand": () => {
    throws(() => new ReadableStreamDefaultController(), "TypeError");
    throws(() => new WritableStreamDefaultController(), "TypeError");
    throws(() => new TransformStreamDefaultController(), "TypeError");
    throws(() => new ReadableStream({ type: "words" }), "TypeError");
  },
});
