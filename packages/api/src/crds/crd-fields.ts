/** Short words for the schemas of custom resources. Build time only, except for the types. */
import Type, { type TProperties, type TSchema } from "typebox";

type Extra = { readonly description?: string; readonly default?: unknown };

/** An object all of whose members may be absent, as almost always in KubeEdge's kinds. */
export const fields = <P extends TProperties>(properties: P, extra: Extra = {}) =>
  Type.Partial(Type.Object(properties), extra);
/** An object whose members must all be there, except those marked optional. */
export const strict = Type.Object;
export const text = (description: string, extra: Extra = {}) => Type.String({ description, ...extra });
export const bool = (description: string) => Type.Boolean({ description });
export const int = (description: string) => Type.Integer({ description });
export const int32 = (description: string) => Type.Integer({ description, format: "int32" });
export const int64 = (description: string) => Type.Integer({ description, format: "int64" });
export const decimal = (description: string) => Type.Number({ description });
export const list = <T extends TSchema>(item: T, description: string) => Type.Array(item, { description });
export const oneOf = <const T extends readonly string[]>(choices: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...choices], description });
export const textMap = (description: string) =>
  Type.Unsafe<Record<string, string>>({ type: "object", additionalProperties: { type: "string" }, description });
/** An object whose members nobody prescribes; kept as they are. */
export const free = (description: string) =>
  Type.Unsafe<Record<string, unknown>>({
    type: "object",
    description,
    "x-kubernetes-preserve-unknown-fields": true,
  });
