import {
  applySchemaDefaults,
  childPath,
  equalJson,
  type FieldError,
  invalidError,
  type JsonObject,
  type KubeObject,
  pruneUnknown,
  type ResourceType,
  type SchemaNode,
  validateSchema,
} from "@kedge/kube";
import { builtinSchema, OBJECT_META } from "../../openapi/builtin-schemas.ts";
import { decodeBuiltin } from "../decode-builtin.ts";
import { metadataErrors } from "../metadata-validation.ts";
import type { Cell } from "../printing.ts";
import type { PublishedSchema, ResourceDefinition, ScalePaths, TableColumn } from "../resource-definition.ts";
import type { CustomColumns } from "./custom-columns.ts";
import { compileJsonPath } from "./json-path.ts";

export interface CustomTraits {
  readonly type: ResourceType;
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly hasStatus: boolean;
  readonly scale: ScalePaths | undefined;
  readonly columns: CustomColumns;
  /** As the definition wrote it, for clients. */
  readonly publishedSchema: SchemaNode | undefined;
  readonly schema: SchemaNode;
  /** Field label → its value in an object. */
  readonly selectable: ReadonlyMap<string, (object: JsonObject) => string>;
}

const ANY_OBJECT: SchemaNode = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

const VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

type Members = Record<string, unknown>;

/** A resource that a CustomResourceDefinition defines, in one of its versions. */
export class CustomResource implements ResourceDefinition {
  readonly type: ResourceType;
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs = VERBS;
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  readonly columns: readonly TableColumn[];
  readonly published: PublishedSchema;
  private readonly traits: CustomTraits;

  constructor(traits: CustomTraits) {
    this.traits = traits;
    this.type = traits.type;
    this.listKind = traits.listKind;
    this.singular = traits.singular;
    this.shortNames = traits.shortNames;
    this.categories = traits.categories;
    this.hasStatus = traits.hasStatus;
    if (traits.scale !== undefined) this.scale = traits.scale;
    this.columns = traits.columns.columns;
    const { group, version, kind } = traits.type;
    // As Kubernetes names them: the group's domain from its end, then version and kind.
    const name = [...group.split(".").toReversed(), version, kind].join(".");
    this.published = { name, custom: traits.publishedSchema ?? ANY_OBJECT };
  }

  /** @throws DecodeError when `metadata` is not what metadata must be. */
  prune(object: KubeObject): string[] {
    const metadata = (object.metadata ?? {}) as JsonObject;
    const unknown = decodeBuiltin(metadata, builtinSchema(OBJECT_META)).map((path) => childPath("metadata", path));
    return [...unknown, ...pruneUnknown(object as unknown as JsonObject, this.traits.schema)];
  }

  applyDefaults(object: KubeObject): void {
    applySchemaDefaults(object as unknown as JsonObject, this.traits.schema);
  }

  prepareCreate(object: KubeObject): void {
    if (this.hasStatus) delete (object as Members)["status"];
    const metadata = (object.metadata ??= {}) as Members;
    metadata["generation"] = 1;
  }

  prepareUpdate(object: KubeObject, old: KubeObject, subresource: "" | "status" | "scale"): void {
    const members = object as Members;
    const before = old as Members;
    if (subresource === "status") {
      for (const name of new Set([...Object.keys(members), ...Object.keys(before)]))
        if (name !== "status" && name !== "metadata") restore(members, before, name);
      keepMetadata(object, old);
      return;
    }
    if (this.hasStatus) restore(members, before, "status");
    const generation = old.metadata?.generation ?? 1;
    const ignored = this.hasStatus ? ["metadata", "status"] : ["metadata"];
    const metadata = (object.metadata ??= {}) as Members;
    metadata["generation"] = sameContent(members, before, ignored) ? generation : generation + 1;
  }

  validate(object: KubeObject, _old: KubeObject | undefined): FieldError[] {
    const errors = metadataErrors(object, this.type, "subdomain", { qualifiedFinalizers: false });
    return [
      ...errors,
      ...validateSchema(object as unknown as JsonObject, this.traits.schema),
      ...replicaErrors(object, this.scale),
    ];
  }

  cells(object: KubeObject, nowMs: number): Cell[] {
    return this.traits.columns.cells(object, nowMs);
  }

  selectableFields(object: KubeObject): Readonly<Record<string, string>> {
    const { name = "", namespace = "" } = object.metadata ?? {};
    const fields: Record<string, string> = { "metadata.name": name };
    if (this.type.namespaced) fields["metadata.namespace"] = namespace;
    for (const [label, valueOf] of this.traits.selectable) fields[label] = valueOf(object as unknown as JsonObject);
    return fields;
  }
}

/** What can be scaled cannot have fewer than no replicas, whatever its schema says. */
function replicaErrors(object: KubeObject, scale: ScalePaths | undefined): FieldError[] {
  if (scale === undefined) return [];
  const [replicas] = compileJsonPath(scale.specReplicasPath)(object as unknown as JsonObject);
  if (typeof replicas !== "number" || replicas >= 0) return [];
  return [invalidError(scale.specReplicasPath, replicas, "should be a non-negative integer")];
}

function restore(members: Members, before: Members, name: string): void {
  if (before[name] === undefined) delete members[name];
  else members[name] = before[name];
}

/** A status write changes no metadata; its resourceVersion is what it was made from, though. */
function keepMetadata(object: KubeObject, old: KubeObject): void {
  const { resourceVersion, managedFields } = object.metadata ?? {};
  object.metadata = {
    ...old.metadata,
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(managedFields !== undefined && { managedFields }),
  };
}

/** Whether both are equal but for the ignored members. */
function sameContent(members: Members, before: Members, ignored: readonly string[]): boolean {
  const less = (all: Members) => Object.fromEntries(Object.entries(all).filter(([name]) => !ignored.includes(name)));
  return equalJson(less(members), less(before));
}
