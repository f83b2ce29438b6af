// GET /quote?sku=…&count=…
import { find, type Product } from "./catalogue";
import { Money } from "./money";

interface Env {
  readonly CURRENCY?: string;
}

interface Handler<E> {
  fetch(request: Request, env: E): Response | Promise<Response>;
}

type Parsed = { ok: true; product: Product; count: number } | { ok: false; why: string };

function parse(params: URLSearchParams): Parsed {
  const product = find(params.get("sku") ?? "");
  if (product === undefined) return { ok: false, why: "no such product" };
  const count = Number(params.get("count") ?? 1);
  if (!Number.isInteger(count) || count < 1) return { ok: false, why: "count is a whole number from 1" };
  return { ok: true, product, count };
}

export default {
  fetch(request, env) {
    const parsed = parse(new URL(request.url).searchParams);
    if (!parsed.ok) return Response.json({ error: parsed.why }, { status: 400 });
    const { product, count } = parsed;
    const total = new Money(product.cents).times(count, product.discount);
    return Response.json({ product: product.name, count, total: total.format(env.CURRENCY ?? "EUR") });
  },
} satisfies Handler<Env>;
