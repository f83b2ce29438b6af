// GET /notes?page=N, POST /notes, GET /notes/{id}, DELETE /notes/{id}
//
// The notes live in the code: each request starts from the same three. Keeping them is the work of a
// database that the function calls, or of a binding.

const notes = [
  { id: "1", text: "A mayfly lives for one flight." },
  { id: "2", text: "So does a function's sandbox." },
  { id: "3", text: "Idle code costs nothing." },
];

const problem = (status, message) => Response.json({ error: message }, { status });

async function create(request) {
  const type = request.headers.get("content-type") ?? "";
  if (!type.startsWith("application/json")) return problem(415, "send application/json");
  let note;
  try {
    note = await request.json();
  } catch {
    return problem(400, "the body is not JSON");
  }
  if (typeof note?.text !== "string" || note.text === "") return problem(422, "`text` must be a string that is not empty");
  const id = crypto.randomUUID();
  return Response.json({ id, text: note.text }, { status: 201, headers: { location: `/notes/${id}` } });
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const id = pathname.split("/")[2];
    if (id === undefined) {
      if (request.method === "POST") return create(request);
      const size = Number(env.PAGE_SIZE);
      const page = Number(searchParams.get("page") ?? 1);
      if (!Number.isInteger(page) || page < 1) return problem(400, "`page` is a number from 1");
      return Response.json({ page, notes: notes.slice((page - 1) * size, page * size) });
    }
    const note = notes.find((note) => note.id === id);
    if (note === undefined) return problem(404, `there is no note ${id}`);
    if (request.method === "DELETE") return new Response(null, { status: 204 });
    return Response.json(note);
  },
};
