// What mayfly.toml gives to the function.
interface Env {
  GREETING: string;
}

// Every request to the app comes here.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const name = url.searchParams.get("name") ?? "world";
    console.log(`${request.method} ${url.pathname}`);
    return Response.json({ message: `${env.GREETING}, ${name}!` });
  },
};
