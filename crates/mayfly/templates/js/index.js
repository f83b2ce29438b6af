// Every request to the app comes here. `env` holds what mayfly.toml says.
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = url.searchParams.get("name") ?? "world";
    console.log(`${request.method} ${url.pathname}`);
    return Response.json({ message: `${env.GREETING}, ${name}!` });
  },
};
