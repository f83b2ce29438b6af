// What `process-hello` measures in Node.js; the counter tells how many answers its process gave.
let answers = 0;

export default {
  fetch(request) {
    answers += 1;
    const segment = request.url.slice(request.url.lastIndexOf("/") + 1);
    return new Response(`hello ${segment} ${answers}\n`);
  },
};
