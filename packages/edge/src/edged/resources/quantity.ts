import { CodedError } from "@kedge/runtime";

/** The text is no quantity of Kubernetes, such as `100m`, `1.5Gi` or `2e3`. */
export class QuantityError extends CodedError<{ readonly code: "InvalidQuantity"; readonly text: string }> {}

const QUANTITY = /^([+-]?)(\d{0,30})(?:\.(\d{0,30}))?(?:([eE])([+-]?\d{1,2})|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$/;
const NANO = 1_000_000_000n;
const BINARY: Readonly<Record<string, bigint>> = {
  Ki: 1024n,
  Mi: 1024n ** 2n,
  Gi: 1024n ** 3n,
  Ti: 1024n ** 4n,
  Pi: 1024n ** 5n,
  Ei: 1024n ** 6n,
};
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

/** @returns the quantity in billionths, exact; what is finer than that is rounded away from zero, as Kubernetes does. */
export function parseNano(quantity: string): bigint {
  const match = QUANTITY.exec(quantity);
  const [, sign, whole = "", fraction = "", , exponent, suffix] = match ?? [];
  if (match === null || whole + fraction === "")
    throw new QuantityError(`${JSON.stringify(quantity)} is no quantity: expected for example 100m, 1.5Gi or 2`, {
      code: "InvalidQuantity",
      text: quantity,
    });
  const digits = BigInt(whole + fraction) * (suffix === undefined ? 1n : (BINARY[suffix] ?? 1n));
  const tens = 9 - fraction.length + (suffix === undefined ? Number(exponent ?? 0) : (DECIMAL_EXPONENT[suffix] ?? 0));
  const nano = tens >= 0 ? digits * 10n ** BigInt(tens) : divideUp(digits, 10n ** BigInt(-tens));
  return sign === "-" ? -nano : nano;
}

/** Whole units (bytes, cores, pods), rounded up; 0 for an absent quantity. */
export function quantityValue(quantity: string | undefined): number {
  return quantity === undefined ? 0 : Number(divideUp(parseNano(quantity), NANO));
}

/** Thousandths, rounded up: `100m` is 100; 0 for an absent quantity. */
export function quantityMilli(quantity: string | undefined): number {
  return quantity === undefined ? 0 : Number(divideUp(parseNano(quantity), 1_000_000n));
}

/** Positive numbers towards infinity, negative ones towards zero. */
export function divideUp(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor > 0n ? quotient + 1n : quotient;
}

/** Bytes in the shortest exact form with a binary suffix: 16777216 is `16Mi`. */
export function formatBytes(bytes: number): string {
  const suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
  let step = 0;
  let rest = bytes;
  while (rest !== 0 && rest % 1024 === 0 && step + 1 < suffixes.length) {
    rest /= 1024;
    step += 1;
  }
  return `${rest}${suffixes[step] ?? ""}`;
}

/** Thousandths of a core as Kubernetes writes them: 1500 is `1500m`, 2000 is `2`. */
export function formatMilli(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}
