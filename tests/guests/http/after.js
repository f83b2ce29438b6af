// Works on after the answer.
export default {
  fetch(request, env, ctx) {
    const id = new URL(request.url).searchParams.get("id");
    ctx.waitUntil(
      (async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        console.log(`after ${id}`);
      })(),
    );
    console.log(`before ${id}`);
    return new Response(`answered ${id}`);
  },
};
