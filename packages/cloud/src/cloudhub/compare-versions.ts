/**
 * Compares resourceVersions as numbers of any size.
 *
 * @returns below 0: `a` is older; above 0: newer. `undefined` if either is no number (W27): then nobody can tell.
 */
export function compareVersions(a: string | undefined, b: string | undefined): number | undefined {
  const [left, right] = [digits(a), digits(b)];
  if (left === undefined || right === undefined) return undefined;
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function digits(version: string | undefined): string | undefined {
  if (version === undefined || !/^\d{1,64}$/.test(version)) return undefined;
  return version.startsWith("0") ? version.replace(/^0+(?=\d)/, "") : version;
}
