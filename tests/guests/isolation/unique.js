// What no two invocations may share.
export default {
  fetch: () =>
    Response.json({
      random: Math.random(),
      uuid: crypto.randomUUID(),
      bytes: [...crypto.getRandomValues(new Uint8Array(16))].join(),
      origin: performance.timeOrigin,
      boundary: new Response(new FormData()).headers.get("content-type"),
    }),
};
