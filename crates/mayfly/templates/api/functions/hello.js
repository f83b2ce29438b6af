// GET /hello/{name}
export default {
  async fetch(request) {
    const name = new URL(request.url).pathname.split("/").pop();
    return Response.json({ message: `Hello, ${decodeURIComponent(name)}!` });
  },
};
