// One word per turn of a timer, so that a client sees each before the next is made.
export default {
  fetch(request) {
    const words = new URL(request.url).searchParams.get("words").split(",");
    const stream = new ReadableStream({
      async pull(controller) {
        const word = words.shift();
        if (word === undefined) return controller.close();
        await new Promise((resolve) => setTimeout(resolve, 20));
        controller.enqueue(new TextEncoder().encode(word));
      },
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  },
};
