// An endless stream of 16 KB pieces that says in the log how far it is: a reader that stops reading
// must stop it.
export default {
  fetch() {
    let made = 0;
    const stream = new ReadableStream({
      pull(controller) {
        made++;
        if (made % 64 === 0) console.log(`made ${made}`);
        controller.enqueue(new Uint8Array(16 << 10).fill(65));
      },
      cancel: () => console.log(`cancelled after ${made}`),
    });
    return new Response(stream);
  },
};
