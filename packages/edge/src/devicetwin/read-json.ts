/**
 * Reads JSON as Go's decoder does, on which existing MQTT clients rely: member names in any letter case, unknown members
 * ignored, `null` as absent; but types are exact. @throws {TypeError} with the member and what it must be
 */
export function readObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`${what} is not an object`);
  return value as Record<string, unknown>;
}

/** @returns the member; undefined if it is absent or `null`. */
export function member(object: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name] ?? undefined;
  const wanted = name.toLowerCase();
  for (const key of Object.keys(object)) if (key.toLowerCase() === wanted) return object[key] ?? undefined;
  return undefined;
}

export function stringMember(object: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = member(object, name);
  if (value !== undefined && typeof value !== "string") throw new TypeError(`${name} is not text`);
  return value;
}

export function integerMember(object: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = member(object, name);
  if (value !== undefined && !Number.isSafeInteger(value)) throw new TypeError(`${name} is not a whole number`);
  return value as number | undefined;
}

export function booleanMember(object: Readonly<Record<string, unknown>>, name: string): boolean | undefined {
  const value = member(object, name);
  if (value !== undefined && typeof value !== "boolean") throw new TypeError(`${name} is not true or false`);
  return value;
}

export function objectMember(
  object: Readonly<Record<string, unknown>>,
  name: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = member(object, name);
  return value === undefined ? undefined : readObject(value, name);
}
