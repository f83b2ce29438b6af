import { Hono } from "hono";

const books = new Map([["1", { id: "1", title: "Flatland" }]]);

export const api = new Hono()
  .basePath("/v1")
  .get("/books", (c) => c.json([...books.values()]))
  .get("/books/:id", (c) => {
    const book = books.get(c.req.param("id"));
    return book === undefined ? c.json({ error: "no such book" }, 404) : c.json(book);
  })
  .put("/books/:id", async (c) => c.json({ id: c.req.param("id"), ...(await c.req.json()) }, 201))
  .delete("/books/:id", (c) => c.body(null, 204));
