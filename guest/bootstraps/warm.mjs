// A function that takes requests, for `warmUp` in node.mjs.
export default {
  async fetch(request, env, ctx) {
    ctx.waitUntil(Promise.resolve(new URL(request.url)));
    const headers = new Headers({ "content-type": "text/plain", "x-from": request.headers.get("host") });
    return new Response("warm", { headers });
  },
};
