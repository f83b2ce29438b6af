// mayfly: timeout = "300ms"
// mayfly: memory = "64MB"
// One way of going wrong for each path.
const ways = {
  fine: () => new Response("fine"),
  loop: () => {
    for (;;);
  },
  "loop-in-microtasks": async () => {
    for (;;) await null;
  },
  "loop-in-timers": () => new Promise(() => setInterval(() => {}, 1)),
  "loop-in-regexp": () => new Response(`${/^(a+)+$/.test(`${"a".repeat(40)}b`)}`),
  "loop-that-catches": () => {
    for (;;) {
      try {
        for (;;);
      } catch {}
    }
  },
  memory: () => {
    const held = [];
    for (;;) held.push(new Uint8Array(1 << 20).fill(1));
  },
  "memory-caught": () => {
    const held = [];
    try {
      for (;;) held.push(new Uint8Array(1 << 20).fill(1));
    } catch (error) {
      held.length = 0;
      return new Response(`caught ${error.name}`);
    }
  },
  throw: () => {
    throw new TypeError("thrown with a s3cret in it");
  },
  "throw-null": () => {
    throw null;
  },
  reject: async () => {
    throw new RangeError("rejected");
  },
  nothing: () => {},
  string: () => "just a string",
  object: () => ({ hello: 1 }),
  lambda: () => ({ statusCode: 200, body: "x" }),
  used: async () => {
    const response = new Response("x");
    await response.text();
    return response;
  },
  error: () => Response.error(),
  newline: () => new Response("", { headers: { "x-a": "b\r\nset-cookie: c=d" } }),
  never: () => new Promise(() => {}),
  "never-in-stream": () => new Response(new ReadableStream()),
  recursion: () => {
    const dive = (n) => dive(n + 1) + 1;
    try {
      dive(0);
    } catch (error) {
      return new Response(`caught ${error.name}`);
    }
  },
  "recursion-uncaught": () => {
    const dive = (n) => dive(n + 1) + 1;
    return new Response(dive(0));
  },
  json: async (request) => Response.json(await request.json()),
  // Goes on computing in the turn in which its body breaks.
  "busy-stream": () => {
    const later = async () => {
      for (let turn = 0; turn < 50; turn += 1) await null;
      const until = Date.now() + 100;
      while (Date.now() < until);
    };
    let pieces = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (pieces++ === 0) return controller.enqueue(new TextEncoder().encode("the first half"));
          await new Promise((resolve) => setTimeout(resolve, 20));
          controller.error(new RangeError("no other half"));
          later();
        },
      }),
    );
  },
  "half-stream": () => {
    let pieces = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (pieces++ === 0) return controller.enqueue(new TextEncoder().encode("the first half"));
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new RangeError("no second half");
        },
      }),
    );
  },
  "short-stream": () => {
    let pieces = 0;
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (pieces++ === 0) controller.enqueue(new TextEncoder().encode("one piece"));
          else throw new RangeError("and no more");
        },
      }),
    );
  },
  "text-stream": () => new Response(new ReadableStream({ start: (controller) => controller.enqueue("text, not bytes") })),
  "slow-stream": () => {
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
      pull: () => new Promise((resolve) => setTimeout(resolve, 5000)),
    });
    return new Response(stream);
  },
  size: async (request) => new Response(`${(await request.arrayBuffer()).byteLength}`),
  ignore: () => new Response("body ignored"),
  "poison-then": () => {
    Object.prototype.then = function (resolve) {
      resolve("hijacked");
    };
    return new Response("still mine");
  },
  "break-prototypes": async () => {
    Promise.prototype.then = () => {
      throw new Error("no promises");
    };
    Array.prototype.push = null;
    Response.prototype.text = null;
    Object.defineProperty(globalThis, "Response", { value: undefined });
    return new (async () => {}).constructor("return 1")();
  },
  "wait-fails": (request, env, ctx) => {
    ctx.waitUntil(Promise.reject(new Error("in waitUntil")));
    return new Response("answered");
  },
  "wait-loops": (request, env, ctx) => {
    ctx.waitUntil(
      (async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        for (;;);
      })(),
    );
    return new Response("answered first");
  },
};
export default {
  fetch(request, env, ctx) {
    return ways[new URL(request.url).pathname.split("/").pop()](request, env, ctx);
  },
};
