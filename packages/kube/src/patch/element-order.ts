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

  const isPatched = (item: JsonValue) => inPatch.has(identityOf(item, mergeKey));
  const patched = sorted(merged.filter(isPatched), inPatch, mergeKey);
  const serverOnly = sorted(
    merged.filter((item) => !isPatched(item)),
    onServer,
    mergeKey,
  );

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

/** Up to this length Go sorts stably by insertion, which shows when the order is not defined for all items. */
const INSERTION_SORT_ITEMS_MAX = 20;

/**
 * Sorts by place. An item without a place goes before all that stand before it: so does Kubernetes, whose comparison
 * calls it less than anything, and clients have come to see that order.
 */
function sorted(list: JsonValue[], places: ReadonlyMap<JsonValue, number>, mergeKey: string | undefined): JsonValue[] {
  const ranked = list.map((item) => ({ item, place: places.get(identityOf(item, mergeKey)) }));
  if (ranked.length > INSERTION_SORT_ITEMS_MAX)
    return ranked.toSorted((a, b) => (a.place ?? -1) - (b.place ?? -1)).map(({ item }) => item);
  const out: typeof ranked = [];
  for (const entry of ranked) {
    let at = out.length;
    for (; at > 0; at -= 1) {
      const before = out[at - 1]?.place;
      if (before !== undefined && entry.place !== undefined && entry.place >= before) break;
    }
    out.splice(at, 0, entry);
  }
  return out.map(({ item }) => item);
}
