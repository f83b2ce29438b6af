// Lambda's style: errors.
export const handler = async (event) => {
  const want = event.want ?? event.rawPath?.split("/").pop();
  if (want === "string") throw "only text";
  if (want === "circular") {
    const circle = {};
    circle.self = circle;
    return circle;
  }
  if (want === "forever") return new Promise(() => {});
  throw new TypeError("wrong type");
};
