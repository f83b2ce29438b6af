// Answers after half a second.
export default {
  async fetch() {
    console.log("begun");
    await new Promise((resolve) => setTimeout(resolve, 500));
    return new Response("in its own time");
  },
};
