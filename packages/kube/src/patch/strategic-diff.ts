import { canonicalJson, equalJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { identityOf } from "./element-order.ts";
import { type PatchMeta, patchMetaOf, type PatchSchema } from "./patch-schema.ts";

/**
 * The strategic merge patch that turns `original` into `modified` and names only what differs; `{}` when nothing does.
 * Lists with a merge key are told item by item, with `$setElementOrder/…` so that the order is kept, too.
 *
 * @see {@link applyStrategicMergePatch}, which it is the counterpart of.
 */
export function strategicDiff(original: object, modified: object, schema: PatchSchema): JsonObject {
  return diffObjects(plain(original), plain(modified), schema, false);
}

/** Objects come typed, with `undefined` for what is absent: a JSON round trip makes them plain data of our own. */
function plain(object: object): JsonObject {
  return JSON.parse(JSON.stringify(object)) as JsonObject;
}

function diffObjects(original: JsonObject, modified: JsonObject, schema: PatchSchema, retainKeys: boolean): JsonObject {
  const patch: JsonObject = {};
  for (const [key, value] of Object.entries(modified)) {
    const before = Object.hasOwn(original, key) ? original[key] : undefined;
    if (before === undefined) patch[key] = value;
    else if (isJsonObject(before) && isJsonObject(value)) diffObject(patch, key, before, value, schema);
    else if (Array.isArray(before) && Array.isArray(value)) diffList(patch, key, before, value, schema);
    else if (!equalJson(before, value)) patch[key] = value;
  }
  const gone = Object.keys(original).filter((key) => !Object.hasOwn(modified, key));
  for (const key of gone) patch[key] = null;
  const kept = Object.keys(modified).filter((key) => modified[key] !== null);
  if (retainKeys && kept.length > 0 && Object.keys(patch).length > 0) patch["$retainKeys"] = kept.toSorted();
  return patch;
}

function diffObject(patch: JsonObject, key: string, before: JsonObject, after: JsonObject, schema: PatchSchema): void {
  const meta = patchMetaOf(schema, key, false);
  if (meta.strategy === "replace") {
    if (!equalJson(before, after)) patch[key] = after;
    return;
  }
  const difference = diffObjects(before, after, meta.schema, meta.retainKeys);
  if (Object.keys(difference).length > 0) patch[key] = difference;
}

function diffList(patch: JsonObject, key: string, before: JsonValue[], after: JsonValue[], schema: PatchSchema): void {
  if (equalJson(before, after)) return;
  const meta = patchMetaOf(schema, key, true);
  if (meta.strategy !== "merge" || before.length === 0) {
    patch[key] = after;
    return;
  }
  const { mergeKey } = meta;
  if (!isJsonObject(before[0]) && !isJsonObject(after[0])) diffPrimitives(patch, key, before, after);
  else if (mergeKey !== undefined) diffItems(patch, key, before, after, { ...meta, mergeKey });
  else patch[key] = after;
}

function diffPrimitives(patch: JsonObject, key: string, before: JsonValue[], after: JsonValue[]): void {
  const added = after.filter((item) => !before.includes(item));
  const gone = before.filter((item) => !after.includes(item));
  if (added.length > 0) patch[key] = added;
  if (gone.length > 0) patch[`$deleteFromPrimitiveList/${key}`] = gone;
  patch[`$setElementOrder/${key}`] = after;
}

function diffItems(
  patch: JsonObject,
  key: string,
  before: JsonValue[],
  after: JsonValue[],
  meta: PatchMeta & { readonly mergeKey: string },
): void {
  const { mergeKey, schema, retainKeys } = meta;
  const idOf = (item: JsonValue) => canonicalJson(identityOf(item, mergeKey));
  const beforeById = new Map(before.map((item) => [idOf(item), item]));
  // Two items of one key, such as two addresses of a type, cannot be merged: the list is replaced.
  if (beforeById.size < before.length || new Set(after.map(idOf)).size < after.length) {
    patch[key] = [{ $patch: "replace" }, ...after];
    return;
  }
  const changes: JsonValue[] = [];
  for (const item of after) {
    const old = beforeById.get(idOf(item));
    beforeById.delete(idOf(item));
    if (!isJsonObject(item) || !isJsonObject(old)) {
      changes.push(item);
      continue;
    }
    const difference = diffObjects(old, item, schema, retainKeys);
    if (Object.keys(difference).length > 0) changes.push({ ...difference, [mergeKey]: identityOf(item, mergeKey) });
  }
  for (const item of beforeById.values()) changes.push({ $patch: "delete", [mergeKey]: identityOf(item, mergeKey) });
  if (changes.length > 0) patch[key] = changes;
  patch[`$setElementOrder/${key}`] = after.map((item) => ({ [mergeKey]: identityOf(item, mergeKey) }));
}
