// Every way to write a line.
export default {
  fetch(request) {
    if (new URL(request.url).searchParams.has("throw")) {
      class Oops extends Error {
        name = "Oops";
      }
      throw new Oops("it broke", { cause: new TypeError("beneath") });
    }
    console.log("plain %s %d %i %f %j %% %o", "text", 42, 3.9, 1.5, { a: 1 }, [1]);
    console.info({ nested: { list: [1, "two", null, undefined], map: new Map([["k", 1n]]) } });
    console.warn(new RangeError("warned"));
    console.error("red");
    console.debug("detail", Symbol("s"), -0, [, 1]);
    console.log("two\nlines");
    console.assert(1 === 2, "must be");
    console.table([{ a: 1, b: 2 }]);
    console.count("n");
    console.count("n");
    console.group("outer");
    console.log("inner");
    console.groupEnd();
    console.log("x".repeat(100));
    queueMicrotask(() => {
      throw new Error("in a microtask");
    });
    Promise.reject(new Error("nobody cares"));
    setTimeout(() => console.log("from a timer"), 1);
    return new Promise((resolve) => setTimeout(() => resolve(new Response("logged")), 10));
  },
};
