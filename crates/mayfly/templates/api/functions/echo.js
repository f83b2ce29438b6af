// POST /echo: answers with the JSON that was sent.
export default {
  async fetch(request) {
    let body;
    try {
      body = await request.json();
    } catch {
      return Response.json({ error: "send JSON" }, { status: 400 });
    }
    return Response.json({ received: body });
  },
};
