// Sends every piece back as it comes, in capitals.
const upper = () =>
  new TransformStream({
    transform: (text, controller) => controller.enqueue(text.toUpperCase()),
  });
export default {
  fetch: (request) => new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(upper()).pipeThrough(new TextEncoderStream())),
};
