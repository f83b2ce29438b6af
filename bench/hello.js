// What `js-hello` measures. The counter is 1 in every answer of a VM that is fresh.
let answers = 0;

export default {
  fetch(request) {
    answers += 1;
    const segment = request.url.slice(request.url.lastIndexOf("/") + 1);
    return new Response(`hello ${segment} ${answers}\n`);
  },
};
