import type { FieldError, KubeObject } from "@kedge/kube";

/** What the schema of a built-in kind does not say. All functions are pure but for changing `object` in place. */
export interface BuiltinStrategy<T extends KubeObject = KubeObject> {
  /** Whether a change of annotations raises `metadata.generation`, too. */
  readonly countsAnnotations?: boolean;
  /** After the schema's own defaults. */
  applyDefaults?(object: T): void;
  /** After `status` was cleared and `generation` set. */
  prepareCreate?(object: T): void;
  /** After the generic part, on writes of the main resource. */
  prepareUpdate?(object: T, old: T): void;
  prepareStatusUpdate?(object: T, old: T): void;
  /** Of the object as such, without its metadata. */
  validate?(object: T): FieldError[];
  /** What must not change. */
  validateUpdate?(object: T, old: T): FieldError[];
  warnings?(object: T): string[];
  /** More field selectors than name and namespace. */
  selectableFields?(object: T): Record<string, string>;
}
