// The top level runs while the component is built: what it makes is in every instance from the start.
const greetings = new Map([["de", "Hallo"], ["en", "Hello"], ["fr", "Bonjour"]]);
let answered = 0;

addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

async function handle(request) {
  const url = new URL(request.url);
  answered += 1;
  console.log(`${request.method} ${url.pathname}`);
  if (request.method === "POST") {
    const text = await request.text();
    return new Response(`${text.length} characters, answer ${answered} of this instance\n`);
  }
  const greeting = greetings.get(url.searchParams.get("language") ?? "en");
  if (!greeting) return new Response("in which language?\n", { status: 400 });
  return new Response(`${greeting}, ${url.searchParams.get("name") ?? "world"}!\n`);
}
