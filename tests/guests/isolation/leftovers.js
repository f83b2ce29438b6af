// Timers, promises and fetches that are still under way when the answer is given.
let told = 0;
export default {
  fetch(request) {
    const id = new URL(request.url).searchParams.get("id");
    setTimeout(() => console.log(`leftover timer of ${id}, told ${++told}`), 5);
    setInterval(() => console.log(`leftover interval of ${id}`), 1);
    (async () => {
      await new Promise((resolve) => setTimeout(resolve, 3));
      console.log(`leftover promise of ${id}`);
    })();
    return new Response(`${told}`);
  },
};
