/**
 * Orders resourceVersions as the numbers that they are (`"10"` is after `"9"`), also beyond 2^53.
 * An absent or unreadable version is before every other: whoever has one is newer.
 *
 * @returns negative, 0 or positive, as a comparator.
 */
export function compareResourceVersions(left: string | undefined, right: string | undefined): number {
  const a = parse(left);
  const b = parse(right);
  return a < b ? -1 : a > b ? 1 : 0;
}

function parse(version: string | undefined): bigint {
  return version !== undefined && /^\d{1,20}$/.test(version) ? BigInt(version) : -1n;
}
