import { CodedError } from "@kedge/runtime";

export class QuantityError extends CodedError<{ readonly code: "BadQuantity" }> {
  constructor(text: string) {
    super(
      `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': ${JSON.stringify(text)}`,
      { code: "BadQuantity" },
    );
  }
}

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

/** An exact amount: `100m`, `1Gi`, `1e3`. `nanos` is the amount × 10⁹; `format` decides which suffixes it is written with. */
export interface Quantity {
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

const NANOS = 1_000_000_000n;
const NANOS_MAX = (2n ** 63n - 1n) * NANOS;
const QUANTITY =
  /^(?<sign>[+-]?)(?<whole>\d*)(?:\.(?<fraction>\d*))?(?<suffix>[eE][+-]?\d{1,3}|[KMGTPE]i|[numkMGTPE]?)$/;
const TEXT_CHARS_MAX = 128;
const DECIMAL_SUFFIXES = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const SUFFIX_BY_EXPONENT = new Map([...DECIMAL_SUFFIXES].map(([suffix, exponent]) => [exponent, suffix]));
const BINARY_SUFFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/**
 * Reads a quantity as Kubernetes does: finer than a billionth is rounded away from zero, and with a binary suffix 2⁶³−1
 * is the most.
 *
 * @throws QuantityError
 */
export function parseQuantity(input: string | number): Quantity {
  const text = String(input);
  const groups = text.length > TEXT_CHARS_MAX ? undefined : QUANTITY.exec(text)?.groups;
  const { sign, whole = "", fraction = "", suffix = "" } = groups ?? {};
  if (groups === undefined || whole + fraction === "") throw new QuantityError(text);

  const digits = BigInt(whole + fraction);
  const { factor, exponent, format } = readSuffix(suffix);
  const power = 9 + exponent - fraction.length;
  const scaled = digits * factor;
  const magnitude = power >= 0 ? scaled * 10n ** BigInt(power) : divideUp(scaled, 10n ** BigInt(-power));
  const capped = format === "BinarySI" && magnitude > NANOS_MAX ? NANOS_MAX : magnitude;
  return { nanos: sign === "-" ? -capped : capped, format };
}

function readSuffix(suffix: string): { factor: bigint; exponent: number; format: QuantityFormat } {
  const binary = BINARY_SUFFIXES.indexOf(suffix);
  if (binary > 0) return { factor: 1024n ** BigInt(binary), exponent: 0, format: "BinarySI" };
  const decimal = DECIMAL_SUFFIXES.get(suffix);
  if (decimal !== undefined) return { factor: 1n, exponent: decimal, format: "DecimalSI" };
  return { factor: 1n, exponent: Number(suffix.slice(1)), format: "DecimalExponent" };
}

function divideUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}

/** The canonical form: no fraction, the largest suffix that loses nothing. `1.5Gi` becomes `1536Mi`, `0.1` `100m`. */
export function formatQuantity({ nanos, format }: Quantity): string {
  const sign = nanos < 0n ? "-" : "";
  const magnitude = nanos < 0n ? -nanos : nanos;
  if (magnitude === 0n) return "0";
  if (format === "BinarySI" && magnitude >= 1024n * NANOS && magnitude % NANOS === 0n)
    return sign + formatBinary(magnitude / NANOS);
  return sign + formatDecimal(magnitude, format === "DecimalExponent");
}

function formatBinary(magnitude: bigint): string {
  let amount = magnitude;
  let step = 0;
  while (amount % 1024n === 0n && step < BINARY_SUFFIXES.length - 1) {
    amount /= 1024n;
    step += 1;
  }
  return `${amount}${BINARY_SUFFIXES[step] ?? ""}`;
}

function formatDecimal(magnitude: bigint, exponential: boolean): string {
  let amount = magnitude;
  let exponent = -9;
  while (amount % 1000n === 0n && (exponent < 18 || exponential)) {
    amount /= 1000n;
    exponent += 3;
  }
  if (exponential) return exponent === 0 ? `${amount}` : `${amount}e${exponent}`;
  return `${amount}${SUFFIX_BY_EXPONENT.get(exponent) ?? ""}`;
}

const DECIMAL_TEXT = /^[+-]?0*(?<whole>\d*)\.?(?<fraction>\d*)(?<suffix>[^\d.]?.*)$/;
/** Longer numbers take Kubernetes' exact way, which always writes them anew. */
const FAST_DIGITS_MAX = 18;

/**
 * A quantity as the API server gives it back: in canonical form, but for decimal ones whose digits and suffix are
 * canonical already (`+1`, `1E3`, `1.500`), which keep their text.
 *
 * @throws QuantityError
 */
export function canonicalQuantity(input: string | number): string {
  const quantity = parseQuantity(input);
  const text = String(input);
  return keepsText(text, quantity) ? text : formatQuantity(quantity);
}

function keepsText(text: string, { format }: Quantity): boolean {
  if (format === "BinarySI") return false;
  const { whole = "", fraction = "", suffix = "" } = DECIMAL_TEXT.exec(text)?.groups ?? {};
  const digits = `${whole || "0"}${fraction}`;
  const scale = readSuffix(suffix).exponent - fraction.length;
  return (
    digits.length <= FAST_DIGITS_MAX &&
    scale >= -9 &&
    scale % 3 === 0 &&
    /^[1-9]/.test(digits) &&
    !digits.endsWith("000")
  );
}

/** Rounded up to a thousandth, as amounts of resources are. */
export function roundQuantityToMillis(quantity: Quantity): Quantity {
  return { ...quantity, nanos: quantityToMillis(quantity) * (NANOS / 1000n) };
}

/** Negative, 0 or positive, as a comparator; formats do not matter. */
export function compareQuantities(left: Quantity, right: Quantity): number {
  return left.nanos < right.nanos ? -1 : left.nanos > right.nanos ? 1 : 0;
}

/** The sum, written as the first one is; a zero takes the other's format. */
export function addQuantities(left: Quantity, right: Quantity): Quantity {
  return { nanos: left.nanos + right.nanos, format: left.nanos === 0n ? right.format : left.format };
}

export function subtractQuantities(left: Quantity, right: Quantity): Quantity {
  return addQuantities(left, { nanos: -right.nanos, format: right.format });
}

/** In whole units, rounded up: bytes of memory, whole cores. */
export function quantityToInteger({ nanos }: Quantity): bigint {
  return nanos >= 0n ? divideUp(nanos, NANOS) : nanos / NANOS;
}

/** In thousandths, rounded up: CPU's millicores. */
export function quantityToMillis({ nanos }: Quantity): bigint {
  const perMilli = NANOS / 1000n;
  return nanos >= 0n ? divideUp(nanos, perMilli) : nanos / perMilli;
}

/** A whole number of units as a quantity. */
export function quantityOf(units: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(units) * NANOS, format };
}
