import { isJsonObject, type JsonObject, type JsonValue, ownMember } from "../json.ts";

/** The place that a pointer's last token names: a member of an object, or an item of a list. */
export type JsonPlace =
  | { readonly in: "object"; readonly parent: JsonObject; readonly key: string }
  | { readonly in: "list"; readonly parent: JsonValue[]; readonly token: string };

/** The tokens of an RFC 6901 pointer; none: the whole document. */
export function pointerTokens(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * Goes to the parent of what the tokens name, by the document's own members alone: nothing inherited is ever reached.
 *
 * @param tokens at least one.
 * @returns undefined: something on the way is not there, or holds nothing.
 */
export function placeOf(document: JsonValue, tokens: readonly string[]): JsonPlace | undefined {
  let parent: JsonValue | undefined = document;
  for (const token of tokens.slice(0, -1)) parent = childOf(parent, token);
  const last = tokens.at(-1) ?? "";
  if (Array.isArray(parent)) return { in: "list", parent, token: last };
  return isJsonObject(parent) ? { in: "object", parent, key: last } : undefined;
}

/** What is there; `undefined`: nothing. */
export function valueAt(place: JsonPlace): JsonValue | undefined {
  return childOf(place.parent, place.in === "list" ? place.token : place.key);
}

/**
 * The index that a token means in a list of this length. `-1` is the last item, as in Kubernetes.
 *
 * @param end how far it may reach: the length to insert, one less to find.
 */
export function indexOf(token: string, end: number): number | undefined {
  if (!/^(0|-?[1-9]\d{0,9})$/.test(token)) return undefined;
  const index = Number(token) < 0 ? Number(token) + end + 1 : Number(token);
  return index >= 0 && index <= end ? index : undefined;
}

function childOf(parent: JsonValue | undefined, token: string): JsonValue | undefined {
  if (Array.isArray(parent)) {
    const index = indexOf(token, parent.length - 1);
    return index === undefined ? undefined : parent[index];
  }
  return isJsonObject(parent) ? ownMember(parent, token) : undefined;
}
