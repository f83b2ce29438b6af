// Fetch style: an event comes as a POST.
export default {
  async fetch(request) {
    return Response.json({ method: request.method, kind: request.headers.get("x-mayfly-event"), event: await request.json() });
  },
};
