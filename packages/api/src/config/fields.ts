/**
 * Short words for the schemas of configuration files. Build time only: at run time the generated plain schema is used,
 * and this file's types.
 */
import type { ConfigSchema, DurationMs } from "@kedge/runtime";
import Type, { type TSchema } from "typebox";

type Extra = Pick<ConfigSchema, "minimum" | "maximum" | "x-minimal" | "x-secret"> & { readonly description?: string };

export const text = (fallback: string, extra: Extra = {}) => Type.String({ default: fallback, ...extra });
export const optionalText = (extra: Extra = {}) => Type.Optional(Type.String(extra));
export const bool = (fallback: boolean, extra: Extra = {}) => Type.Boolean({ default: fallback, ...extra });
export const optionalBool = (extra: Extra = {}) => Type.Optional(Type.Boolean(extra));
/** `true` starts a part of the program. */
export const enable = (fallback: boolean) => Type.Boolean({ default: fallback, "x-switch": true });
export const int = (fallback: number, extra: Extra = {}) => Type.Integer({ default: fallback, ...extra });
export const optionalInt = (extra: Extra = {}) => Type.Optional(Type.Integer(extra));
/** Capacities and numbers of workers, which cannot be negative. */
export const count = (fallback: number) => int(fallback, { minimum: 0, maximum: 2 ** 31 - 1 });
/** 0: any free port. */
export const port = (fallback: number, extra: Extra = {}) => int(fallback, { minimum: 0, maximum: 65535, ...extra });
export const number = (fallback: number, extra: Extra = {}) => Type.Number({ default: fallback, ...extra });
export const oneOf = <const T extends readonly string[]>(choices: T, fallback: T[number], extra: Extra = {}) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...choices], default: fallback, ...extra });
export const oneNumberOf = <const T extends readonly number[]>(choices: T, fallback: T[number], extra: Extra = {}) =>
  Type.Unsafe<T[number]>({ type: "integer", enum: [...choices], default: fallback, ...extra });

/** In the file `10s`, in the program ms. */
export const duration = (fallback: string, extra: Extra = {}) =>
  Type.Unsafe<DurationMs>({ type: "string", format: "go-duration", default: fallback, ...extra });

export const texts = (fallback: readonly string[], extra: Extra = {}) =>
  Type.Unsafe<string[]>({ type: "array", items: { type: "string" }, default: [...fallback], ...extra });
export const optionalTexts = (extra: Extra = {}) =>
  Type.Optional(Type.Unsafe<string[]>({ type: "array", items: { type: "string" }, ...extra }));
export const list = <T extends TSchema>(item: T) => Type.Optional(Type.Array(item));

const map = (value: ConfigSchema, fallback?: object) => ({
  type: "object",
  additionalProperties: value,
  ...(fallback !== undefined && { default: fallback }),
});
export const textMap = (fallback: Readonly<Record<string, string>>) =>
  Type.Unsafe<Record<string, string>>(map({ type: "string" }, fallback));
export const optionalTextMap = () => Type.Optional(Type.Unsafe<Record<string, string>>(map({ type: "string" })));
export const optionalBoolMap = () => Type.Optional(Type.Unsafe<Record<string, boolean>>(map({ type: "boolean" })));
export const optionalDurationMap = () =>
  Type.Optional(Type.Unsafe<Record<string, DurationMs>>(map({ type: "string", format: "go-duration" })));
/** Anything, kept as the file says it. */
export const freeObject = (fallback?: object) => Type.Optional(Type.Unsafe<Record<string, unknown>>(map({}, fallback)));

/** The gates that KubeEdge knows, each of which switches on a part; others are kept, but mean nothing. */
export const featureGates = () =>
  Type.Unsafe<Record<string, boolean>>({
    type: "object",
    default: {},
    properties: {
      requireAuthorization: { type: "boolean", "x-switch": true },
      moduleRestart: { type: "boolean", "x-switch": true },
      disableNodeTaskV1alpha2: { type: "boolean", "x-switch": true },
    },
    additionalProperties: { type: "boolean" },
  });
export const group = Type.Object;
