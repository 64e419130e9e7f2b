import { isJsonObject, type JsonValue } from "../json.ts";
import { PatchError } from "./patch-error.ts";

/** An item's identity in its list: its merge key's value, or itself when the list holds primitives. */
export function identityOf(item: JsonValue, mergeKey: string | undefined): JsonValue {
  if (mergeKey === undefined) return item;
  if (!isJsonObject(item)) throw new PatchError("Malformed", `a list merged by ${mergeKey} may hold objects only`);
  const identity = Object.hasOwn(item, mergeKey) ? item[mergeKey] : undefined;
  if (identity === undefined)
    throw new PatchError("Malformed", `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
  return identity;
}

/** Where each identity stands in a list; the first one counts. */
function positions(list: readonly JsonValue[], mergeKey: string | undefined): Map<JsonValue, number> {
  const places = new Map<JsonValue, number>();
  for (const [index, item] of list.entries()) {
    const identity = identityOf(item, mergeKey);
    if (!places.has(identity)) places.set(identity, index);
  }
  return places;
}

/**
 * Puts a merged list in order: what the patch speaks of stands as in `patchOrder`, what only the server has stands as in
 * `serverOrder`, and a server's item comes before the first item of the patch that it preceded on the server.
 */
export function orderMerged(
  merged: readonly JsonValue[],
  patchOrder: readonly JsonValue[],
  serverOrder: readonly JsonValue[],
  mergeKey: string | undefined,
): JsonValue[] {
  const inPatch = positions(patchOrder, mergeKey);
  const onServer = positions(serverOrder, mergeKey);
  const rank = (places: Map<JsonValue, number>) => (item: JsonValue) =>
    places.get(identityOf(item, mergeKey)) ?? Number.MAX_SAFE_INTEGER;
  const byRank = (rankOf: (item: JsonValue) => number) => (a: JsonValue, b: JsonValue) => rankOf(a) - rankOf(b);

  const isPatched = (item: JsonValue) => inPatch.has(identityOf(item, mergeKey));
  const patched = merged.filter(isPatched).toSorted(byRank(rank(inPatch)));
  const serverOnly = merged.filter((item) => !isPatched(item)).toSorted(byRank(rank(onServer)));

  const ordered: JsonValue[] = [];
  let next = 0;
  for (const item of patched) {
    const place = onServer.get(identityOf(item, mergeKey));
    for (; place !== undefined && next < serverOnly.length; next += 1) {
      const candidate = serverOnly[next];
      if (candidate === undefined || (onServer.get(identityOf(candidate, mergeKey)) ?? place) >= place) break;
      ordered.push(candidate);
    }
    ordered.push(item);
  }
  return [...ordered, ...serverOnly.slice(next)];
}
