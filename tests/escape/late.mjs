// Answers when nobody waits any more.
let calls = 0;

export default {
  async fetch(request) {
    calls += 1;
    const wait = Number(new URL(request.url).searchParams.get("wait") ?? 0);
    await new Promise((resolve) => setTimeout(resolve, wait));
    console.log(`answered after ${wait}`);
    return new Response(`call ${calls}`);
  },
};
