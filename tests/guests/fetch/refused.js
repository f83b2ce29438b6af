// Tells how a call was refused.
export default {
  async fetch(request) {
    const url = new URL(request.url).searchParams.get("url");
    try {
      return new Response(`reached: ${(await fetch(url)).status}`);
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`);
    }
  },
};
