// Answers with what came in, as JSON.
export default {
  async fetch(request) {
    const body = new Uint8Array(await request.arrayBuffer());
    return Response.json({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      size: body.length,
      body: new TextDecoder().decode(body.subarray(0, 1000)),
    });
  },
};
