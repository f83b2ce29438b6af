// A handler as it runs on Lambda behind API Gateway.
import { reply } from "./reply.mjs";

export const handle = async (event) => {
  const { id } = event.pathParameters;
  if (event.requestContext.http.method === "POST") {
    const body = event.isBase64Encoded ? atob(event.body) : event.body;
    return reply(202, { id, stored: JSON.parse(body), table: process.env.TABLE }, [`last=${id}; Path=/`]);
  }
  if (id === "missing") return reply(404, { message: "no such order" });
  return { id, query: event.queryStringParameters, cookies: event.cookies };
};
