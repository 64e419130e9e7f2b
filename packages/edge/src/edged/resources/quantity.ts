import { formatQuantity, parseQuantity, quantityOf, quantityToInteger, quantityToMillis } from "@kedge/kube";

/** Billionths, exact. @throws QuantityError */
export function parseNano(quantity: string): bigint {
  return parseQuantity(quantity).nanos;
}

/** Whole units (bytes, cores, pods), rounded up; 0 for an absent quantity. @throws QuantityError */
export function quantityValue(quantity: string | undefined): number {
  return quantity === undefined ? 0 : Number(quantityToInteger(parseQuantity(quantity)));
}

/** Thousandths, rounded up: `100m` is 100; 0 for an absent quantity. @throws QuantityError */
export function quantityMilli(quantity: string | undefined): number {
  return quantity === undefined ? 0 : Number(quantityToMillis(parseQuantity(quantity)));
}

/** Positive numbers towards infinity, negative ones towards zero. */
export function divideUp(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor > 0n ? quotient + 1n : quotient;
}

/** Bytes in the shortest exact form with a binary suffix: 16777216 is `16Mi`. */
export function formatBytes(bytes: number): string {
  return formatQuantity(quantityOf(bytes, "BinarySI"));
}

/** Thousandths of a core as Kubernetes writes them: 1500 is `1500m`, 2000 is `2`. */
export function formatMilli(milli: number): string {
  return formatQuantity({ nanos: BigInt(milli) * 1_000_000n, format: "DecimalSI" });
}
