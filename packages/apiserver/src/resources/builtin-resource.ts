import {
  applySchemaDefaults,
  equalJson,
  type FieldError,
  type JsonObject,
  type KubeObject,
  type ResourceType,
  type SchemaNode,
} from "@kedge/kube";
import type { BuiltinStrategy } from "./builtin-strategy.ts";
import { decodeBuiltin } from "./decode-builtin.ts";
import type { NameRule } from "./metadata-validation.ts";
import { metadataErrors } from "./metadata-validation.ts";
import type { Cell, Printer } from "./printing.ts";
import type { PublishedSchema, ResourceDefinition, ScalePaths, TableColumn } from "./resource-definition.ts";

/** What distinguishes one built-in resource; everything else comes from its schema. */
export interface BuiltinTraits {
  readonly type: ResourceType;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly hasStatus: boolean;
  /** Whether a change of anything but metadata and status raises `metadata.generation`. */
  readonly hasGeneration: boolean;
  /** Status may be given on creation, as a kubelet does when it registers its node. */
  readonly keepsStatusOnCreate: boolean;
  /** Whether objects can only be deleted one by one. */
  readonly oneByOne: boolean;
  readonly scale: ScalePaths | undefined;
  readonly nameRule: NameRule;
  readonly printer: Printer;
  readonly strategy: BuiltinStrategy;
  readonly storageType: ResourceType | undefined;
  /** Name of the schema in Kubernetes' documents. */
  readonly schemaName: string;
}

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** A built-in resource: its schema decides the generic part, its strategy the rest. */
export class BuiltinResource implements ResourceDefinition {
  readonly type: ResourceType;
  readonly storageType?: ResourceType;
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  readonly columns: readonly TableColumn[];
  readonly patchSchema: SchemaNode;
  readonly published: PublishedSchema;
  private readonly traits: BuiltinTraits;

  constructor(traits: BuiltinTraits, schema: SchemaNode) {
    const { type, storageType, scale, printer } = traits;
    this.traits = traits;
    this.type = type;
    if (storageType !== undefined) this.storageType = storageType;
    this.listKind = `${type.kind}List`;
    this.singular = type.kind.toLowerCase();
    this.shortNames = traits.shortNames;
    this.categories = traits.categories;
    this.hasStatus = traits.hasStatus;
    this.verbs = traits.oneByOne ? VERBS.filter((verb) => verb !== "deletecollection") : VERBS;
    if (scale !== undefined) this.scale = scale;
    this.columns = printer.columns;
    this.patchSchema = schema;
    this.published = { name: traits.schemaName };
  }

  /** @throws DecodeError when a value has another type than its field. */
  prune(object: KubeObject): string[] {
    return decodeBuiltin(object as unknown as JsonObject, this.patchSchema);
  }

  applyDefaults(object: KubeObject): void {
    applySchemaDefaults(object as unknown as JsonObject, this.patchSchema);
    this.traits.strategy.applyDefaults?.(object);
  }

  prepareCreate(object: KubeObject): void {
    const { hasStatus, hasGeneration, keepsStatusOnCreate, strategy } = this.traits;
    if (hasStatus && !keepsStatusOnCreate) clearStatus(object, this.patchSchema);
    setGeneration(object, hasGeneration ? 1 : undefined);
    strategy.prepareCreate?.(object);
  }

  prepareUpdate(object: KubeObject, old: KubeObject, subresource: "" | "status" | "scale"): void {
    const { hasStatus, hasGeneration, strategy } = this.traits;
    if (subresource === "status") {
      keepAllBut(object, old, ["apiVersion", "kind", "metadata", "status"]);
      keepMember((object.metadata ??= {}), old.metadata ?? {}, "ownerReferences");
    } else if (hasStatus) keepMember(object, old, "status");
    const generation = old.metadata?.generation;
    setGeneration(object, generation);
    if (subresource === "status") strategy.prepareStatusUpdate?.(object, old);
    else strategy.prepareUpdate?.(object, old);
    const changed =
      contentChanged(object, old) ||
      (strategy.countsAnnotations === true && !equalJson(object.metadata?.annotations, old.metadata?.annotations));
    if (hasGeneration && subresource !== "status" && changed) setGeneration(object, (generation ?? 0) + 1);
  }

  validate(object: KubeObject, old: KubeObject | undefined): FieldError[] {
    const { strategy, nameRule, type } = this.traits;
    const qualifiedFinalizers = type.group !== "apiextensions.k8s.io"; // its own has no slash
    const errors = metadataErrors(object, type, nameRule, { qualifiedFinalizers });
    errors.push(...(strategy.validate?.(object) ?? []));
    if (old !== undefined) errors.push(...(strategy.validateUpdate?.(object, old) ?? []));
    return errors;
  }

  warnings(object: KubeObject): string[] {
    return this.traits.strategy.warnings?.(object) ?? [];
  }

  cells(object: KubeObject, nowMs: number): Cell[] {
    return this.traits.printer.cells(object, nowMs);
  }

  selectableFields(object: KubeObject): Readonly<Record<string, string>> {
    const { name = "", namespace = "" } = object.metadata ?? {};
    return {
      "metadata.name": name,
      ...(this.type.namespaced && { "metadata.namespace": namespace }),
      ...this.traits.strategy.selectableFields?.(object),
    };
  }
}

type Members = Record<string, unknown>;

/** The compiler calls it read-only, since clients may not set it: we are the server. */
function setGeneration(object: KubeObject, generation: number | undefined): void {
  const metadata = (object.metadata ??= {}) as Members;
  if (generation === undefined) delete metadata["generation"];
  else metadata["generation"] = generation;
}

function clearStatus(object: KubeObject, schema: SchemaNode): void {
  const members = object as unknown as JsonObject;
  delete members["status"];
  // Kubernetes writes an empty status where its type has no pointer; defaults within it stand for zero values.
  const status: JsonObject = {};
  const known = schema.properties?.["status"];
  if (known?.default === undefined) return;
  applySchemaDefaults(status, known);
  members["status"] = status;
}

function keepMember(object: object, old: object, name: string): void {
  const members = object as Members;
  const value = (old as Members)[name];
  if (value === undefined) delete members[name];
  else members[name] = value;
}

function keepAllBut(object: KubeObject, old: KubeObject, changeable: readonly string[]): void {
  const names = new Set([...Object.keys(object), ...Object.keys(old)]);
  for (const name of names) if (!changeable.includes(name)) keepMember(object, old, name);
}

function contentChanged(object: KubeObject, old: KubeObject): boolean {
  const content = ({ metadata: _m, status: _s, ...rest }: KubeObject & { status?: unknown }) => rest;
  return !equalJson(content(object), content(old));
}
