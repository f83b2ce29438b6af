// Says how many pieces it wrote; a client that leaves must end it.
export default {
  fetch() {
    let written = 0;
    const stream = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(new TextEncoder().encode(`piece ${++written}\n`));
        if (written === 1) console.log("first piece");
        if (written > 20_000) {
          console.log("nobody stopped it");
          controller.close();
        }
      },
    });
    return new Response(stream);
  },
};
