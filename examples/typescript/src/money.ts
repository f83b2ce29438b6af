/** How a price falls with the number that is bought. */
export enum Discount {
  None,
  Bulk = 10,
}

export class Money {
  constructor(private readonly cents: number) {}

  times<N extends number>(count: N, discount: Discount = Discount.None): Money {
    const percent = count >= 3 ? 100 - discount : 100;
    return new Money(Math.round((this.cents * count * percent) / 100));
  }

  format(currency: string): string {
    return `${(this.cents / 100).toFixed(2)} ${currency}`;
  }
}
