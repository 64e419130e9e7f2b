import { cloneJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { PatchError } from "./patch-error.ts";
import { refuseProto } from "./refuse-proto.ts";

/** Applies an RFC 7386 merge patch to a copy of `original`. @throws PatchError if the patch is no object */
export function applyMergePatch<T extends object>(original: T, patch: unknown): T {
  if (!isJsonObject(patch)) throw new PatchError("Malformed", "a merge patch must be a JSON object");
  refuseProto(patch);
  return merge(cloneJson(original) as unknown as JsonObject, patch) as unknown as T;
}

function merge(target: JsonObject, patch: JsonObject): JsonObject {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else target[key] = mergeValue(Object.hasOwn(target, key) ? target[key] : undefined, value);
  }
  return target;
}

function mergeValue(target: JsonValue | undefined, value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return cloneJson(value);
  return merge(isJsonObject(target) ? target : {}, value);
}
