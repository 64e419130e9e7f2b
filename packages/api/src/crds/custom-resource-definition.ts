import type { CustomResourceDefinition } from "@kedge/kube";
import type { TSchema } from "typebox";

export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "date" | "integer" | "boolean";
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
}

export interface CrdVersion {
  readonly name: string;
  readonly storage: boolean;
  readonly statusSubresource?: boolean;
  readonly description: string;
  /** Of `spec` and `status`; `apiVersion`, `kind` and `metadata` are added. */
  readonly schema: TSchema;
  readonly columns: readonly PrinterColumn[];
}

export interface CrdFacts {
  readonly group: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
  readonly versions: readonly CrdVersion[];
}

/** What `kubectl apply` takes. */
export function customResourceDefinition(facts: CrdFacts): CustomResourceDefinition {
  const { group, kind, resource, namespaced, versions } = facts;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural: resource, singular: kind.toLowerCase() },
      scope: namespaced ? "Namespaced" : "Cluster",
      versions: versions.map((version) => ({
        name: version.name,
        served: true,
        storage: version.storage,
        ...(version.statusSubresource === true && { subresources: { status: {} } }),
        additionalPrinterColumns: version.columns.map((column) => ({ ...column })),
        schema: { openAPIV3Schema: structuralSchema(version) },
      })),
    },
  };
}

function structuralSchema({ schema, description }: CrdVersion): object {
  const plain = JSON.parse(JSON.stringify(schema)) as { properties: Record<string, object> };
  return {
    type: "object",
    description,
    properties: {
      apiVersion: { type: "string", description: "Version of this object's schema." },
      kind: { type: "string", description: "Kind of this object." },
      metadata: { type: "object" },
      ...plain.properties,
    },
  };
}
