// Waits until its caller leaves.
export default {
  async fetch(request, env, ctx) {
    console.log("waiting");
    ctx.waitUntil(new Promise(() => {}));
    request.signal.addEventListener("abort", () => console.log(`left: ${request.signal.reason?.name}`));
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    console.log("nobody left");
    return new Response("done");
  },
};
