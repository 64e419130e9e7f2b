/** A part of a value: of objects the members that matter, for texts also a pattern, `undefined` for what must not be there. */
export type Expected<T> =
  | (T extends string ? RegExp : never)
  | (T extends object ? { readonly [K in keyof T]?: Expected<T[K]> | undefined } : T)
  | ((value: T) => boolean);

/** @returns where `actual` is not as `expected`, or undefined. */
export function mismatch(actual: unknown, expected: unknown, path = ""): string | undefined {
  if (expected instanceof RegExp)
    return typeof actual === "string" && expected.test(actual) ? undefined : differs(path, actual, expected);
  if (typeof expected === "function")
    return (expected as (value: unknown) => unknown)(actual) === true ? undefined : differs(path, actual, expected);
  if (typeof expected !== "object" || expected === null)
    return Object.is(actual, expected) ? undefined : differs(path, actual, expected);
  if (typeof actual !== "object" || actual === null) return differs(path, actual, expected);
  for (const [name, value] of Object.entries(expected)) {
    const found = mismatch((actual as Record<string, unknown>)[name], value, path === "" ? name : `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function differs(path: string, actual: unknown, expected: unknown): string {
  const wanted = expected instanceof RegExp || typeof expected === "function" ? String(expected) : json(expected);
  return `${path === "" ? "value" : path} is ${json(actual)}, not ${wanted}`;
}

function json(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}
