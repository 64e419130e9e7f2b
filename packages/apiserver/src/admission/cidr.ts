/** An IPv4 range. */
export interface Cidr {
  readonly base: number;
  /** How many addresses, with the first and the last. */
  readonly size: number;
}

/** `10.96.0.0/16`. @throws RangeError if it is none */
export function parseCidr(text: string): Cidr {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = match?.slice(1).map(Number) ?? [];
  if ([a, b, c, d].some((part) => part > 255) || bits > 30)
    throw new RangeError(`${text} is no IPv4 range such as 10.96.0.0/16`);
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  return { base: address - (address % size), size };
}

export function addressAt({ base }: Cidr, offset: number): string {
  const address = base + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
