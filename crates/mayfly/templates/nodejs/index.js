// Every request to the app comes here, in Node.js. `env` holds what mayfly.toml says; packages that
// package.json names are installed at deploy.
import { arch, platform } from "node:os";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = url.searchParams.get("name") ?? "world";
    console.log(`${request.method} ${url.pathname}`);
    const from = `Node.js ${process.versions.node} on ${platform()}/${arch()}`;
    return Response.json({ message: `${env.GREETING}, ${name}!`, from });
  },
};
