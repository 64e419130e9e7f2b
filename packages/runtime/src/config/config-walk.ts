import type { ConfigProblem } from "./config-error.ts";
import type { ConfigSchema } from "./config-schema.ts";
import { expand } from "./config-defaults.ts";
import { parseGoDuration } from "./go-duration.ts";

/** Problems beyond this are not collected: nobody reads more at once. */
export const CONFIG_PROBLEMS_MAX = 100;
const SHOWN_CHARACTERS_MAX = 80;

export interface ConfigWarning {
  readonly kind: "unknown-key" | "spelling" | "not-supported";
  readonly path: string;
  /** A whole sentence, with the path. */
  readonly message: string;
}

/** Goes through one input along its schema, and notes all that is odd on the way. */
export class ConfigWalk {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigWarning[] = [];
  readonly #variables: Readonly<Record<string, string>>;
  readonly #supported: ReadonlySet<string>;

  constructor(variables: Readonly<Record<string, string>>, supported: ReadonlySet<string>) {
    this.#variables = variables;
    this.#supported = supported;
  }

  /** @returns the program's form of `input`; undefined where it is wrong (see `problems`) or absent without default. */
  read(schema: ConfigSchema, input: unknown, path: string): unknown {
    // As in Go, a null says nothing: the default stands.
    const absent = input === undefined || input === null;
    if (schema.type === "object") {
      if (absent && schema["x-optional"] === true) return undefined;
      if (absent && schema.properties === undefined && schema.default === undefined) return undefined;
      const value = absent ? expand(schema.default ?? {}, this.#variables) : input;
      return this.#readObject(schema, value, path);
    }
    if (absent) {
      if (schema.default === undefined) return undefined;
      return this.#readValue(schema, expand(schema.default, this.#variables), path);
    }
    if (schema["x-switch"] === true && input === true && !this.#supported.has(path))
      this.#warn("not-supported", path, `not supported yet: ${path} is true, but this version has no such part`);
    return this.#readValue(schema, input, path);
  }

  #readValue(schema: ConfigSchema, input: unknown, path: string): unknown {
    if (schema.format === "go-duration") return this.#readDuration(schema, input, path);
    switch (schema.type) {
      case undefined:
        return input;
      case "array":
        if (!Array.isArray(input)) return this.#wrong(schema, input, path);
        return input.map((item, index) => this.read(schema.items ?? {}, item, `${path}[${index}]`));
      case "integer":
        return Number.isSafeInteger(input) ? this.#readRange(schema, input, path) : this.#wrong(schema, input, path);
      case "number":
        return typeof input === "number" ? this.#readRange(schema, input, path) : this.#wrong(schema, input, path);
      default:
        return typeof input === schema.type ? this.#readRange(schema, input, path) : this.#wrong(schema, input, path);
    }
  }

  #readRange(schema: ConfigSchema, input: unknown, path: string): unknown {
    const { enum: choices, minimum = -Infinity, maximum = Infinity } = schema;
    if (choices !== undefined && !choices.some((choice) => choice === input)) return this.#wrong(schema, input, path);
    if (typeof input === "number" && !(input >= minimum && input <= maximum)) return this.#wrong(schema, input, path);
    return input;
  }

  #readDuration(schema: ConfigSchema, input: unknown, path: string): number | undefined {
    const ms = typeof input === "string" ? parseGoDuration(input) : undefined;
    const { minimum = -Infinity, maximum = Infinity } = schema;
    if (ms === undefined || ms < minimum || ms > maximum) return this.#wrong(schema, input, path);
    return ms;
  }

  #readObject(schema: ConfigSchema, input: unknown, path: string): unknown {
    if (typeof input !== "object" || input === null || Array.isArray(input)) return this.#wrong(schema, input, path);
    const { properties = {}, additionalProperties = false } = schema;
    const known = new Map<string, unknown>();
    const others: [string, unknown][] = [];
    for (const [key, value] of Object.entries(input)) {
      if (Object.hasOwn(properties, key)) known.set(key, value);
      else others.push([key, value]);
    }
    const result: [string, unknown][] = [];
    for (const [key, value] of others) {
      const similar = findIgnoringCase(properties, key);
      if (similar !== undefined && !known.has(similar)) {
        // Go's decoder ignores case, so such files exist.
        known.set(similar, value);
        this.#warn("spelling", join(path, key), `${join(path, key)} is read as ${similar}: please write it so`);
      } else if (additionalProperties !== false) {
        const read = this.read(additionalProperties, value, join(path, key));
        if (read !== undefined) result.push([key, read]);
      } else {
        this.#warn("unknown-key", join(path, key), `unknown key ${join(path, key)}: it has no effect`);
      }
    }
    for (const [key, property] of Object.entries(properties)) {
      const read = this.read(property, known.get(key), join(path, key));
      if (read !== undefined) result.push([key, read]);
    }
    return Object.fromEntries(result); // defines, so that a key `__proto__` is only a key
  }

  #warn(kind: ConfigWarning["kind"], path: string, message: string): void {
    if (this.warnings.length < CONFIG_PROBLEMS_MAX) this.warnings.push({ kind, path, message });
  }

  #wrong(schema: ConfigSchema, input: unknown, path: string): undefined {
    if (this.problems.length >= CONFIG_PROBLEMS_MAX) return undefined;
    const value = schema["x-secret"] === true ? "***" : show(input);
    this.problems.push({ path: path === "" ? "the file" : path, value, expected: describe(schema) });
    return undefined;
  }
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function findIgnoringCase(properties: object, key: string): string | undefined {
  return Object.keys(properties).find((known) => known.toLowerCase() === key.toLowerCase());
}

function show(input: unknown): string {
  const text = JSON.stringify(input) ?? String(input);
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}

function describe(schema: ConfigSchema): string {
  if (schema.format === "go-duration") {
    const { minimum: least, maximum: most } = schema;
    const range = most === undefined ? "" : `, from ${(least ?? 0) / 1000}s to ${most / 1000}s`;
    return `a duration in quotes, such as "10s" or "1m30s"${range}`;
  }
  if (schema.enum !== undefined) return `one of ${schema.enum.map((choice) => JSON.stringify(choice)).join(", ")}`;
  const noun = {
    object: "a mapping (key: value)",
    array: "a list",
    string: "text (in quotes, if it looks like a number)",
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
  }[schema.type ?? "string"];
  const { minimum, maximum } = schema;
  if (minimum !== undefined && maximum !== undefined) return `${noun} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${noun}, at least ${minimum}`;
  if (maximum !== undefined) return `${noun}, at most ${maximum}`;
  return noun;
}
