// A handler that knows its own name from the image and tells whether anything else is in its memory.
export function turn(name, ballast = []) {
  const mine = { name, calls: 0, words: Array.from({ length: 200 }, (_, at) => `${name} ${at}`) };
  return async (request) => {
    const { searchParams } = new URL(request.url);
    mine.calls++;
    const foreign = mine.words.filter((word, at) => word !== `${name} ${at}`);
    const whole = ballast.every((item, at) => item.at === at && item.text === `ballast ${at}`);
    const clean = mine.calls === 1 && foreign.length === 0 && whole && globalThis.visitor === undefined;
    globalThis.visitor = `${name} ${searchParams.get("id")}`;
    mine.words.fill("spoilt");
    for (const item of ballast) item.text = "spoilt";
    if (searchParams.has("wait")) await new Promise((resolve) => setTimeout(resolve, 2));
    const body = `${mine.name} ${globalThis.visitor} ${searchParams.get("id")} ${clean}`;
    return new Response(body, { status: clean ? 200 : 500 });
  };
}
