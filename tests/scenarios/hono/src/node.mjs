// The same application under Node, for the test to compare with. It prints its address when it is ready.
import { serve } from "@hono/node-server";
import app from "./index.js";

serve({ fetch: (request) => app.fetch(request, { ACCOUNT: "ada:lovelace" }), hostname: "127.0.0.1", port: 0 }, ({ address, port }) => console.log(`${address}:${port}`));
