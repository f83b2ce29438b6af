// Hands a request's body on, or calls somebody before it reads it.
export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    if (searchParams.has("forward")) {
      return fetch(`${env.UPSTREAM}/body`, { method: "POST", body: request.body, duplex: "half" });
    }
    const called = await fetch(`${env.UPSTREAM}/status/200`);
    const bytes = await request.arrayBuffer();
    return new Response(`${called.status} ${bytes.byteLength}`);
  },
};
