export default {
  fetch: (request, env) => new Response(`${env.NAME} ${request.method} ${new URL(request.url).pathname}`),
};
