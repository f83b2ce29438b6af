// mayfly: timeout = "20s"
// mayfly: memory = "32MB"
// Takes memory in one way for each path until its limit stops it.
const ways = {
  buffers: () => {
    const held = [];
    for (;;) held.push(new Uint8Array(1 << 20).fill(1));
  },
  strings: () => {
    const held = [];
    // Reading a character makes a string of the parts that it was put together from.
    for (;;) held.push(`${held.length}${"x".repeat(1 << 20)}`.replace("x", "y"));
  },
  objects: () => {
    const held = [];
    for (;;) held.push({ a: [1, 2, 3], b: { c: held.length } });
  },
  closures: () => {
    const held = [];
    for (;;) {
      const at = held.length;
      held.push(() => at);
    }
  },
  map: () => {
    const held = new Map();
    for (;;) held.set(Symbol(), held.size);
  },
  caught: () => {
    const held = [];
    try {
      for (;;) held.push(new Uint8Array(1 << 20).fill(1));
    } catch (error) {
      return error.name;
    }
  },
  "array-in-one": () => new Array(1 << 28).fill(0),
  "buffer-in-one": () => new ArrayBuffer(1 << 30),
  "string-in-one": () => "x".repeat(1 << 29).replace("x", "y"),
};
export default {
  fetch(request) {
    const held = ways[new URL(request.url).pathname.split("/").pop()]();
    // What is too long to be told is still held here.
    return new Response(`${typeof held} ${held.length ?? held.byteLength} ${held}`.slice(0, 99));
  },
};
