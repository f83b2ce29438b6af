import { Discount } from "./money";

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly cents: number;
  readonly discount: Discount;
}

const products = [
  { sku: "wing", name: "A pair of wings", cents: 1999, discount: Discount.None },
  { sku: "pond", name: "A pond", cents: 120_000, discount: Discount.Bulk },
] as const satisfies readonly Product[];

export const find = (sku: string): Product | undefined => products.find((product) => product.sku === sku);
