import { cloneJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { orderMerged } from "./element-order.ts";
import { mergeList } from "./merge-list.ts";
import { PatchError } from "./patch-error.ts";
import { type PatchMeta, patchMetaOf, type PatchSchema } from "./patch-schema.ts";
import { refuseProto } from "./refuse-proto.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST = "$deleteFromPrimitiveList/";
const SET_ELEMENT_ORDER = "$setElementOrder/";

/**
 * Applies Kubernetes' strategic merge patch to a copy of `original`: lists with a merge key are merged item by item, and
 * `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…` are honoured.
 *
 * @param schema of the patched type; see {@link PatchSchema}.
 * @throws PatchError `Malformed` when the patch is not one.
 */
export function applyStrategicMergePatch<T extends object>(original: T, patch: unknown, schema: PatchSchema): T {
  if (!isJsonObject(patch)) throw new PatchError("Malformed", "a strategic merge patch must be a JSON object");
  refuseProto(patch);
  const target = cloneJson(original) as unknown as JsonObject;
  return mergeObject(target, cloneJson(patch), schema) as unknown as T;
}

/** Merges `patch` into `target`; both are ours to change. */
function mergeObject(target: JsonObject, patch: JsonObject, schema: PatchSchema): JsonObject {
  if (Object.hasOwn(patch, DIRECTIVE)) return applyDirective(patch);
  retainKeys(target, patch);
  for (const key of Object.keys(patch))
    if (key.startsWith(SET_ELEMENT_ORDER)) mergeOrderedList(target, patch, key, schema);
  for (const [key, value] of Object.entries(patch)) mergeMember(target, key, value, schema);
  return target;
}

function applyDirective(patch: JsonObject): JsonObject {
  const { [DIRECTIVE]: directive, ...rest } = patch;
  if (directive === "replace") return rest;
  if (directive === "delete") return {};
  throw new PatchError(
    "Malformed",
    `unknown patch type: ${JSON.stringify(directive)} in map: ${JSON.stringify(patch)}`,
  );
}

function retainKeys(target: JsonObject, patch: JsonObject): void {
  const retained = patch[RETAIN_KEYS];
  if (retained === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(retained)) throw new PatchError("Malformed", "invalid patch format of retainKeys");
  const keep = new Set(retained);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || key.startsWith(DELETE_FROM_PRIMITIVE_LIST) || key.startsWith(SET_ELEMENT_ORDER)) continue;
    if (!keep.has(key)) throw new PatchError("Malformed", "invalid patch format of retainKeys");
  }
  for (const key of Object.keys(target)) if (!keep.has(key)) delete target[key];
}

/** Handles `$setElementOrder/<list>` and that list's own patch together; both leave `patch`. */
function mergeOrderedList(target: JsonObject, patch: JsonObject, directiveKey: string, schema: PatchSchema): void {
  const key = directiveKey.slice(SET_ELEMENT_ORDER.length);
  const order = patch[directiveKey];
  const live = target[key];
  const changes = patch[key];
  delete patch[directiveKey];
  if (!Array.isArray(order)) throw new PatchError("Malformed", "invalid patch format of setElementOrder list");
  if ((live !== undefined && !Array.isArray(live)) || (changes !== undefined && !Array.isArray(changes)))
    throw new PatchError("Malformed", `${directiveKey}: ${key} must be a list`);
  if (live === undefined && changes === undefined) return;
  delete patch[key];

  const meta = patchMetaOf(schema, key, true);
  refuseOtherOrder(changes ?? [], order, meta.mergeKey);
  let merged: JsonValue[];
  if (changes === undefined) merged = live ?? [];
  else if (live === undefined) merged = listWithoutDirectives(changes);
  else merged = meta.strategy === "merge" ? mergeItems(live, changes, meta) : changes;
  target[key] = orderMerged(merged, order, live ?? [], meta.mergeKey);
}

function mergeItems(live: JsonValue[], changes: JsonValue[], { mergeKey, schema }: PatchMeta): JsonValue[] {
  return mergeList(live, changes, mergeKey, (item, change) => mergeObject(item, change, schema));
}

/** What a patch changes or adds must stand in the order that it asks for, and must be named there. */
function refuseOtherOrder(changes: JsonValue[], order: JsonValue[], mergeKey: string | undefined): void {
  if (order.length === 0) return;
  const identity = (item: JsonValue) => (mergeKey !== undefined && isJsonObject(item) ? item[mergeKey] : item);
  const hasDirective = (item: JsonValue | undefined) => isJsonObject(item) && Object.hasOwn(item, DIRECTIVE);
  const kept = changes.filter((item) => !isJsonObject(item) || item[DIRECTIVE] !== "delete");
  let next = 0;
  for (const wanted of order) {
    while (next < kept.length && hasDirective(kept[next])) next += 1;
    const item = kept[next];
    if (item !== undefined && identity(item) === identity(wanted)) next += 1;
  }
  if (next < kept.length)
    throw new PatchError(
      "Malformed",
      `The order in patch list doesn't match $setElementOrder list: ${JSON.stringify(kept[next])} is missing or misplaced`,
    );
}

function mergeMember(target: JsonObject, patchKey: string, value: JsonValue, schema: PatchSchema): void {
  const deleting = patchKey.startsWith(DELETE_FROM_PRIMITIVE_LIST);
  const key = deleting ? patchKey.slice(DELETE_FROM_PRIMITIVE_LIST.length) : patchKey;
  if (value === null) {
    delete target[key];
    return;
  }
  const live = Object.hasOwn(target, key) ? target[key] : undefined;
  if (deleting) {
    if (!Array.isArray(value)) throw new PatchError("Malformed", "invalid patch format of primitive list");
    if (Array.isArray(live)) target[key] = live.filter((item) => !value.includes(item));
    return;
  }
  if (isJsonObject(live) && isJsonObject(value)) {
    const meta = patchMetaOf(schema, key, false);
    target[key] = meta.strategy === "replace" ? value : mergeObject(live, value, meta.schema);
    return;
  }
  if (Array.isArray(live) && Array.isArray(value)) {
    const meta = patchMetaOf(schema, key, true);
    target[key] = meta.strategy === "merge" ? mergeItems(live, value, meta) : value;
    return;
  }
  const bare = withoutDirectives(withoutNulls(value));
  if (bare === undefined) delete target[key];
  else target[key] = bare;
}

/** New values are taken as they are, less what only a patch may hold. @returns undefined: take nothing. */
function withoutDirectives(value: JsonValue): JsonValue | undefined {
  if (Array.isArray(value)) return listWithoutDirectives(value);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const bare: JsonObject = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === RETAIN_KEYS || key.startsWith(SET_ELEMENT_ORDER) || key.startsWith(DELETE_FROM_PRIMITIVE_LIST))
      continue;
    const kept = withoutDirectives(member);
    if (kept !== undefined) bare[key] = kept;
  }
  return bare;
}

function listWithoutDirectives(list: JsonValue[]): JsonValue[] {
  return list.map(withoutDirectives).filter((item) => item !== undefined);
}

function withoutNulls(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const kept: JsonObject = {};
  for (const [key, member] of Object.entries(value)) if (member !== null) kept[key] = withoutNulls(member);
  return kept;
}
