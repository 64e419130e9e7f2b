import { apiVersionOf, type KubeObject, type ResourceType } from "@kedge/kube";
import { builtinSchema } from "../openapi/builtin-schemas.ts";
import { BuiltinResource, type BuiltinTraits } from "./builtin-resource.ts";
import type { BuiltinStrategy } from "./builtin-strategy.ts";
import { BUILTIN_TABLE, type BuiltinRow } from "./builtin-table.ts";
import { PLAIN_PRINTER, type Printer } from "./printing.ts";
import { printers } from "./printers/printers.ts";
import type { ResourceDefinition, ScalePaths } from "./resource-definition.ts";
import { strategies } from "./strategies/strategies.ts";

const REPLICAS: ScalePaths = {
  specReplicasPath: ".spec.replicas",
  statusReplicasPath: ".status.replicas",
  labelSelectorPath: ".spec.selector",
};

/** Every built-in resource that the embedded API server serves. */
export function builtinResources(): ResourceDefinition[] {
  return BUILTIN_TABLE.map((row) => new BuiltinResource(traitsOf(row), builtinSchema(row.schema)));
}

function traitsOf(row: BuiltinRow): BuiltinTraits {
  const [group, version] = row.groupVersion;
  const type: ResourceType = {
    group,
    version,
    kind: row.kind,
    resource: row.resource,
    namespaced: row.namespaced !== false,
  };
  const id = `${apiVersionOf(type)}/${row.kind}`;
  return {
    type,
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    hasStatus: row.hasStatus === true,
    hasGeneration: row.hasGeneration === true,
    keepsStatusOnCreate: row.keepsStatusOnCreate === true,
    oneByOne: row.oneByOne === true,
    scale: row.hasScale === true ? REPLICAS : undefined,
    nameRule: row.nameRule ?? "subdomain",
    // Tables are keyed by kind, so each entry's type is right although the compiler cannot know.
    printer: (printers.get(id) ?? PLAIN_PRINTER) as Printer<KubeObject>,
    strategy: (strategies.get(id) ?? {}) as BuiltinStrategy<KubeObject>,
    storageType: row.storageType,
    schemaName: row.schema,
  };
}
