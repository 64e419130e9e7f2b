/**
 * The part of JSON Schema that our configuration files use, as plain data: a program loads its schema without a schema
 * library. Members starting with `x-` are ours.
 *
 * @typeParam T what a file of this schema becomes; carried for the compiler only.
 */
export interface ConfigSchema<T = unknown> {
  /** Absent: any value is taken as it is. */
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  /** A string such as `1m30s`; inside the program a number of ms. */
  readonly format?: "go-duration";
  /** As it is written in a file; text may contain variables such as `<hostname>`. Absent: the key may be absent. */
  readonly default?: unknown;
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Known keys of an object. */
  readonly properties?: { readonly [key: string]: ConfigSchema };
  /** Of all other keys of an object, if they are allowed: maps. */
  readonly additionalProperties?: ConfigSchema | false;
  readonly items?: ConfigSchema;
  /** `true` switches on a part of the program, which this version may not have. */
  readonly "x-switch"?: boolean;
  /** Shown by `--minconfig`. */
  readonly "x-minimal"?: boolean;
  /** Never shown in messages. */
  readonly "x-secret"?: boolean;
  /** An object that stays absent unless the file names it, although its members have defaults. */
  readonly "x-optional"?: boolean;
  readonly __config?: T;
}

/** Type of a key whose file form is a Go duration: ms inside. */
export type DurationMs = number;
