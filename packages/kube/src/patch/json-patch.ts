import { cloneJson, equalJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { indexOf, type JsonPlace, placeOf, pointerTokens, valueAt } from "./json-pointer.ts";
import { PatchError } from "./patch-error.ts";
import { refuseProto } from "./refuse-proto.ts";

/** As many operations as the API server takes in one JSON patch. */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;

/** As JSON, all that one patch copies: else a few copies of the document into itself fill the memory. Kubernetes' own limit. */
export const JSON_PATCH_COPIED_CHARS_MAX = 3 * 1024 * 1024;

type Operation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly path: string; readonly from: string };

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
  const work = new PatchWork(cloneJson(original) as unknown as JsonValue);
  for (const operation of operations) work.apply(operation);
  if (!isJsonObject(work.document)) throw new PatchError("Unappliable", "the patch leaves no object behind");
  return work.document as unknown as T;
}

/** One patch at work on a document of its own. */
class PatchWork {
  /** The document is a member here, so that its root is a place like any other. */
  readonly #holder: JsonObject;
  #copiedChars = 0;

  constructor(document: JsonValue) {
    this.#holder = { document };
  }

  get document(): JsonValue | undefined {
    return this.#holder["document"];
  }

  apply(operation: Operation): void {
    const { op, path } = operation;
    switch (op) {
      case "add":
        return this.#insert(operation, cloneJson(operation.value));
      case "remove":
        return take(this.#existing(operation, path));
      case "replace":
        return put(this.#existing(operation, path), cloneJson(operation.value));
      case "test":
        if (equalJson(valueAt(this.#existing(operation, path)), operation.value)) return undefined;
        throw new PatchError("Unappliable", `testing value ${path} failed`);
      case "copy":
        return this.#insert(operation, this.#copy(valueAt(this.#existing(operation, operation.from)) ?? null));
      case "move":
        return this.#move(operation, operation.from);
    }
  }

  #move(operation: Operation, from: string): void {
    const source = this.#existing(operation, from);
    const moved = valueAt(source) ?? null;
    take(source); // a place inside what moves is gone now, and so refused
    this.#insert(operation, moved);
  }

  #copy(value: JsonValue): JsonValue {
    const text = JSON.stringify(value);
    this.#copiedChars += text.length;
    if (this.#copiedChars > JSON_PATCH_COPIED_CHARS_MAX)
      throw new PatchError("Malformed", `a JSON patch may copy at most ${JSON_PATCH_COPIED_CHARS_MAX} characters`);
    return cloneJson(value);
  }

  #insert(operation: Operation, value: JsonValue): void {
    const place = this.#place(operation, operation.path);
    if (place.in === "object") return put(place, value);
    const { parent, token } = place;
    const index = token === "-" ? parent.length : indexOf(token, parent.length);
    if (index === undefined) throw missing(operation, operation.path);
    parent.splice(index, 0, value);
  }

  #existing(operation: Operation, pointer: string): JsonPlace {
    const place = this.#place(operation, pointer);
    if (valueAt(place) === undefined) throw missing(operation, pointer);
    return place;
  }

  #place(operation: Operation, pointer: string): JsonPlace {
    const place = placeOf(this.#holder, ["document", ...pointerTokens(pointer)]);
    if (place === undefined) throw missing(operation, pointer);
    return place;
  }
}

function put(place: JsonPlace, value: JsonValue): void {
  if (place.in === "object") place.parent[place.key] = value;
  else place.parent.splice(existingIndex(place), 1, value);
}

function take(place: JsonPlace): void {
  if (place.in === "object") delete place.parent[place.key];
  else place.parent.splice(existingIndex(place), 1);
}

/** @param place of an item that is there. */
function existingIndex({ parent, token }: Extract<JsonPlace, { in: "list" }>): number {
  return indexOf(token, parent.length - 1) ?? parent.length;
}

function missing({ op, path }: Operation, pointer: string): PatchError {
  return new PatchError("Unappliable", `the ${op} operation cannot be applied at ${path}: nothing is at ${pointer}`);
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
    if (pointerTokens(value).includes("__proto__"))
      throw new PatchError("Forbidden", "a patch must not name __proto__");
  }
}
