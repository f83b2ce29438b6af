// The yardstick *node*: node:http, answering what bench/hello.js answers.
import { createServer } from "node:http";

let answers = 0;

const server = createServer((request, response) => {
  answers += 1;
  const segment = request.url.slice(request.url.lastIndexOf("/") + 1);
  const body = `hello ${segment} ${answers}\n`;
  response.writeHead(200, {
    "content-type": "text/plain;charset=UTF-8",
    "content-length": body.length,
  });
  response.end(body);
});

server.listen(0, "127.0.0.1", () => {
  console.log(`ingress http://127.0.0.1:${server.address().port}`);
  console.log("ready");
});
