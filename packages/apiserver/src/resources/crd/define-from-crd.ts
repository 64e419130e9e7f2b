import type { CustomResourceDefinition, JsonObject, JsonValue, SchemaNode } from "@kedge/kube";
import type { ResourceDefinition, ScalePaths } from "../resource-definition.ts";
import { CustomColumns } from "./custom-columns.ts";
import { CustomResource } from "./custom-resource.ts";
import { customSchema } from "./custom-schema.ts";
import { compileJsonPath } from "./json-path.ts";

type CrdVersion = CustomResourceDefinition["spec"]["versions"][number];

/**
 * The resources that a CustomResourceDefinition defines: one for each version that it serves. All versions are stored
 * alike, and differ in nothing but their name (conversion `None`).
 *
 * @param crd valid: it went through its own resource's `validate`.
 */
export function defineFromCrd(crd: CustomResourceDefinition): ResourceDefinition[] {
  return crd.spec.versions.filter(({ served }) => served).map((version) => defineVersion(crd, version));
}

function defineVersion({ spec }: CustomResourceDefinition, version: CrdVersion): ResourceDefinition {
  const { group, names, scope } = spec;
  const written = version.schema?.openAPIV3Schema as SchemaNode | undefined;
  return new CustomResource({
    type: {
      group,
      version: version.name,
      kind: names.kind,
      resource: names.plural,
      namespaced: scope === "Namespaced",
    },
    listKind: names.listKind ?? `${names.kind}List`,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    hasStatus: version.subresources?.status !== undefined,
    scale: scalePathsOf(version),
    columns: new CustomColumns(version.additionalPrinterColumns),
    publishedSchema: written,
    schema: customSchema(written),
    selectable: selectableOf(version),
  });
}

function scalePathsOf({ subresources }: CrdVersion): ScalePaths | undefined {
  const scale = subresources?.scale;
  if (scale === undefined) return undefined;
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  return { specReplicasPath, statusReplicasPath, ...(labelSelectorPath && { labelSelectorPath }) };
}

function selectableOf(version: CrdVersion): ReadonlyMap<string, (object: JsonObject) => string> {
  const fields = (version as { selectableFields?: { jsonPath: string }[] }).selectableFields ?? [];
  return new Map(
    fields.map(({ jsonPath }) => {
      const find = compileJsonPath(jsonPath);
      return [jsonPath.replace(/^\./, ""), (object: JsonObject) => textOf(find(object)[0])];
    }),
  );
}

function textOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
