import type { FieldError, KubeObject, PatchSchema, ResourceType, SchemaNode } from "@kedge/kube";

export type { FieldError };

/** A column of `kubectl get`; `priority` 0 is always shown, 1 only with `-o wide`. */
export interface TableColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description: string;
  readonly priority: number;
}

export interface ScalePaths {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}

/** The name under which a resource's schema is published in OpenAPI documents, and the schema if it is not built in. */
export interface PublishedSchema {
  /** `io.k8s.api.core.v1.Pod`, `io.kubeedge.devices.v1beta1.Device`; the list's is this with `List`. */
  readonly name: string;
  readonly custom?: SchemaNode;
}

/** All that the generic REST code must know of one served resource, built-in or from a CustomResourceDefinition. Pure. */
export interface ResourceDefinition {
  readonly type: ResourceType;
  /** Objects are stored as this resource's, which serves them, too: both kinds of events are one. Absent: `type`. */
  readonly storageType?: ResourceType;
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  readonly columns: readonly TableColumn[];
  /** Absent: not published. */
  readonly published?: PublishedSchema;
  /** For strategic merge patch; absent: not supported (custom resources). */
  readonly patchSchema?: PatchSchema;

  /**
   * Removes members that the schema does not know, in place, and brings quantities and times into canonical form.
   *
   * @returns the paths of what went, for strict field validation.
   * @throws DecodeError when a built-in field has a value of another type: 400.
   */
  prune(object: KubeObject): string[];
  /** Fills what the user may leave out, in place. */
  applyDefaults(object: KubeObject): void;
  /** Before the first write: clears what only the server or the status subresource may set (in place). */
  prepareCreate(object: KubeObject): void;
  /** Before a later write: keeps `status` on a main write, everything but `status` on a status write; raises `generation`. */
  prepareUpdate(object: KubeObject, old: KubeObject, subresource: "" | "status" | "scale"): void;
  /** @param old the stored object, on update; immutable fields are checked against it. */
  validate(object: KubeObject, old: KubeObject | undefined): FieldError[];
  /** What the writer should know all the same: for `Warning` headers. @param object pruned, not validated yet. */
  warnings?(object: KubeObject): string[];
  /** One value a column. @param object as it is stored. */
  cells(object: KubeObject, nowMs: number): (string | number | boolean | null)[];
  /**
   * Field label → value, for `--field-selector`; `metadata.name` and `metadata.namespace` are always there.
   *
   * @param object as it is stored.
   */
  selectableFields(object: KubeObject): Readonly<Record<string, string>>;
}
