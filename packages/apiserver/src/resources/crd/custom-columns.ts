import type { JsonObject, JsonValue, KubeObject } from "@kedge/kube";
import { type Cell, column, NAME_COLUMN, nameOf, since, UNKNOWN } from "../printing.ts";
import type { TableColumn } from "../resource-definition.ts";
import { compileJsonPath } from "./json-path.ts";

/** `spec.versions[].additionalPrinterColumns[]` */
export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
}

export const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"] as const;

const AGE: ColumnDefinition = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Time since the object was created.",
};

/** The table of a custom resource: its name, then what its definition asks for; without any, its age. */
export class CustomColumns {
  readonly columns: readonly TableColumn[];
  readonly #values: readonly { readonly type: string; readonly find: (root: JsonValue) => JsonValue[] }[];

  /** @throws JsonPathError; the definition's validation has told of it before. */
  constructor(definitions: readonly ColumnDefinition[] | undefined) {
    const shown = definitions === undefined || definitions.length === 0 ? [AGE] : definitions;
    this.columns = [NAME_COLUMN, ...shown.map(columnOf)];
    this.#values = shown.map(({ type, jsonPath }) => ({ type, find: compileJsonPath(jsonPath) }));
  }

  cells(object: KubeObject, nowMs: number): Cell[] {
    const root = object as unknown as JsonObject;
    return [nameOf(object), ...this.#values.map(({ type, find }) => cellOf(type, find(root)[0], nowMs))];
  }
}

function columnOf({ name, type, jsonPath, format = "", description, priority = 0 }: ColumnDefinition): TableColumn {
  const known = COLUMN_TYPES.find((each) => each === type) ?? "string";
  const text = description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`;
  return column(name, text, { type: known, format, priority });
}

function cellOf(type: string, value: JsonValue | undefined, nowMs: number): Cell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date": {
      if (typeof value !== "string") return null;
      const age = since(value, nowMs);
      return age === UNKNOWN && value !== "" ? "<invalid>" : age;
    }
    default:
      return typeof value === "string" ? value : JSON.stringify(value);
  }
}
