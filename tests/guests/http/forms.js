// Reads a form that a client sent, and answers with a form of the same fields.
export default {
  async fetch(request) {
    const form = await request.formData();
    if (new URL(request.url).searchParams.has("back")) return new Response(form);
    const fields = [];
    for (const [name, value] of form) {
      fields.push(typeof value === "string" ? [name, value] : [name, value.name, value.type, await value.text()]);
    }
    return Response.json(fields);
  },
};
