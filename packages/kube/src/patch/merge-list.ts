import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { identityOf, orderMerged } from "./element-order.ts";
import { PatchError } from "./patch-error.ts";

type MergeItem = (live: JsonObject, change: JsonObject) => JsonObject;

/**
 * Merges a patch's list into a live one: objects by their merge key, primitives as a set.
 *
 * @param mergeItem merges two items with the same key.
 */
export function mergeList(
  live: JsonValue[],
  patch: JsonValue[],
  mergeKey: string | undefined,
  mergeItem: MergeItem,
): JsonValue[] {
  if (live.length === 0 && patch.length === 0) return live;
  if (!isJsonObject(live[0] ?? patch[0])) return orderMerged([...new Set([...live, ...patch])], patch, live, undefined);
  if (mergeKey === undefined) throw new PatchError("Malformed", "cannot merge lists without merge key");

  const { kept, changes } = applyItemDirectives(live, patch, mergeKey);
  const merged = mergeItems(kept, changes, mergeKey, mergeItem);
  return orderMerged(merged, changes, kept, mergeKey);
}

/** `$patch: delete` takes an item away, `$patch: replace` anywhere in the list drops what was there. */
function applyItemDirectives(
  live: readonly JsonValue[],
  patch: readonly JsonValue[],
  mergeKey: string,
): { kept: JsonValue[]; changes: JsonObject[] } {
  let kept = [...live];
  const changes: JsonObject[] = [];
  let replace = false;
  for (const item of patch) {
    if (!isJsonObject(item)) throw new PatchError("Malformed", `a list merged by ${mergeKey} may hold objects only`);
    const directive = item["$patch"];
    if (directive === undefined) changes.push(item);
    else if (directive === "replace") replace = true;
    else if (directive === "delete") {
      const gone = identityOf(item, mergeKey);
      kept = kept.filter((candidate) => !isJsonObject(candidate) || candidate[mergeKey] !== gone);
    } else
      throw new PatchError(
        "Malformed",
        `unknown patch type: ${JSON.stringify(directive)} in a list merged by ${mergeKey}`,
      );
  }
  // A list that replaces another is taken as it is, even with two items of one key.
  return replace ? { kept: changes, changes: [] } : { kept, changes };
}

function mergeItems(kept: JsonValue[], changes: JsonObject[], mergeKey: string, mergeItem: MergeItem): JsonValue[] {
  const merged = [...kept];
  const places = new Map<JsonValue, number>();
  for (const [index, item] of merged.entries()) {
    const identity = isJsonObject(item) ? item[mergeKey] : undefined;
    if (identity !== undefined && !places.has(identity)) places.set(identity, index);
  }
  for (const change of changes) {
    const identity = identityOf(change, mergeKey);
    const place = places.get(identity);
    const live = place === undefined ? undefined : merged[place];
    if (place !== undefined && isJsonObject(live)) merged[place] = mergeItem(live, change);
    else {
      places.set(identity, merged.length);
      merged.push(change);
    }
  }
  return merged;
}
