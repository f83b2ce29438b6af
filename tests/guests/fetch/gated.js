// Hands a body on while it comes.
export default {
  async fetch(request, env) {
    const response = await fetch(`${env.UPSTREAM}/gated`);
    return new Response(response.body, { headers: { "x-from": "upstream" } });
  },
};
