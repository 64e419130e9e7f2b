import { applyPatch, type Operation } from "rfc6902";
import { cloneJson, isJsonObject, type JsonObject } from "../json.ts";
import { PatchError } from "./patch-error.ts";
import { refuseProto } from "./refuse-proto.ts";

/** As many operations as the API server takes in one JSON patch. */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;

const FIELDS_BY_OPERATION: Readonly<Record<string, readonly string[]>> = {
  add: ["path", "value"],
  replace: ["path", "value"],
  test: ["path", "value"],
  remove: ["path"],
  move: ["path", "from"],
  copy: ["path", "from"],
};

/**
 * Applies an RFC 6902 patch to a copy of `original`: all operations, or none.
 *
 * @throws PatchError `Malformed` for what is not a JSON patch, `Unappliable` when a path is missing or a test fails.
 */
export function applyJsonPatch<T extends object>(original: T, patch: unknown): T {
  const operations = readOperations(patch);
  // The document is wrapped because the library cannot replace a root.
  const holder = { document: cloneJson(original) as unknown };
  for (const operation of operations) {
    const [failure] = applyPatch(holder, [moveUnderDocument(operation)]);
    if (failure !== null && failure !== undefined) throw new PatchError("Unappliable", explain(operation, failure));
  }
  if (!isJsonObject(holder.document)) throw new PatchError("Unappliable", "the patch leaves no object behind");
  return holder.document as T;
}

function readOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw new PatchError("Malformed", "a JSON patch must be a list of operations");
  if (patch.length > JSON_PATCH_OPERATIONS_MAX)
    throw new PatchError(
      "Malformed",
      `a JSON patch may hold at most ${JSON_PATCH_OPERATIONS_MAX} operations, not ${patch.length}`,
    );
  refuseProto(patch);
  return patch.map((operation: unknown, index) => {
    if (!isJsonObject(operation))
      throw new PatchError("Malformed", `operation ${index} of the JSON patch is no object`);
    checkOperation(operation, index);
    return operation as unknown as Operation;
  });
}

function checkOperation(operation: JsonObject, index: number): void {
  const { op } = operation;
  const fields = typeof op === "string" && Object.hasOwn(FIELDS_BY_OPERATION, op) ? FIELDS_BY_OPERATION[op] : undefined;
  if (fields === undefined)
    throw new PatchError("Malformed", `operation ${index} of the JSON patch: unexpected kind: ${JSON.stringify(op)}`);
  for (const field of fields) {
    const value = operation[field];
    if (field === "value" && value !== undefined) continue;
    if (typeof value !== "string")
      throw new PatchError(
        "Malformed",
        `operation ${index} of the JSON patch (${JSON.stringify(op)}) needs "${field}"`,
      );
    if (value !== "" && !value.startsWith("/"))
      throw new PatchError("Malformed", `operation ${index} of the JSON patch: "${value}" is no JSON pointer`);
    if (value.split("/").some((token) => token === "__proto__"))
      throw new PatchError("Forbidden", "a patch must not name __proto__");
  }
}

function moveUnderDocument(operation: Operation): Operation {
  const moved = { ...operation, path: `/document${operation.path}` };
  return "from" in moved ? { ...moved, from: `/document${moved.from}` } : moved;
}

function explain(operation: Operation, failure: Error): string {
  if (operation.op === "test") return `testing value ${operation.path} failed`;
  return `the ${operation.op} operation cannot be applied at ${operation.path}: ${failure.message.replaceAll("/document", "")}`;
}
