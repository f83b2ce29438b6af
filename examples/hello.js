// The smallest app: one file, no manifest.
//
//   mayfly dev examples/hello.js
//   curl http://127.0.0.1:8080/?name=you
//
// Every request runs in a fresh JavaScript VM. A variable out here is as it was at deploy each time:
// nothing that one request leaves can be seen by the next.

const greetings = ["Hello", "Grüezi", "Bonjour", "こんにちは"];

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const name = searchParams.get("name") ?? "world";
    const greeting = greetings[Math.floor(Math.random() * greetings.length)];
    return new Response(`${greeting}, ${name}!\n`);
  },
};
