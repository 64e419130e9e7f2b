export type JsonPrimitive = null | boolean | number | string;
export type JsonValue = JsonPrimitive | JsonValue[] | JsonObject;
/** What `JSON.parse` gives for `{…}`. Keys may be anything; `__proto__` is refused wherever we copy. */
export interface JsonObject {
  [key: string]: JsonValue;
}

/** Narrows to a JSON object: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The own member of this name, so that `constructor` and its like are not found on the prototype. */
export function ownMember<T>(members: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined;
}

/** A deep copy of plain data; members that are `undefined` are left out, as JSON does. Drops a `__proto__` key. */
export function cloneJson<T>(value: T): T {
  return clone(value) as T;
}

function clone(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => (item === undefined ? null : clone(item)));
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value))
    if (member !== undefined && key !== "__proto__") copy[key] = clone(member);
  return copy;
}

/** Deep equality of plain data: order matters in lists, not in objects; a member that is `undefined` is absent. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => equalJson(item, right[index]));
  }
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const rightMembers = right as Record<string, unknown>;
  let count = 0;
  for (const [key, member] of Object.entries(left)) {
    if (member === undefined) continue;
    count += 1;
    if (!Object.hasOwn(rightMembers, key) || !equalJson(member, rightMembers[key])) return false;
  }
  return count === Object.values(rightMembers).filter((member) => member !== undefined).length;
}

/** A JSON text of the same value with sorted keys: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isJsonObject(member) ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}
