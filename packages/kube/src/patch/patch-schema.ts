import { ownMember } from "../json.ts";

/**
 * What strategic merge must know of a type. An OpenAPI schema of Kubernetes is one; so is a small table such as
 * {@link NODE_STATUS_PATCH_SCHEMA}. What a schema does not name is merged (objects) or replaced (lists).
 */
export interface PatchSchema {
  readonly properties?: Readonly<Record<string, PatchSchema>>;
  readonly additionalProperties?: PatchSchema | boolean;
  readonly items?: PatchSchema;
  /** The member that identifies a list's items. */
  readonly "x-kubernetes-patch-merge-key"?: string;
  /** `merge`, `replace`, `retainKeys`, or two of them with a comma. */
  readonly "x-kubernetes-patch-strategy"?: string;
}

export interface PatchMeta {
  /** Of the list's items, or of the object itself. */
  readonly schema: PatchSchema;
  readonly mergeKey: string | undefined;
  readonly strategy: "merge" | "replace" | undefined;
  readonly retainKeys: boolean;
}

const UNKNOWN: PatchSchema = {};

/** How the member `key` of an object with this schema is merged. */
export function patchMetaOf(schema: PatchSchema, key: string, list: boolean): PatchMeta {
  const { additionalProperties } = schema;
  const member =
    ownMember(schema.properties, key) ?? (typeof additionalProperties === "object" ? additionalProperties : UNKNOWN);
  const strategies = (member["x-kubernetes-patch-strategy"] ?? "").split(",");
  return {
    schema: list ? (member.items ?? UNKNOWN) : member,
    mergeKey: member["x-kubernetes-patch-merge-key"],
    strategy: strategies.includes("merge") ? "merge" : strategies.includes("replace") ? "replace" : undefined,
    retainKeys: strategies.includes("retainKeys"),
  };
}

const byType: PatchSchema = { "x-kubernetes-patch-merge-key": "type", "x-kubernetes-patch-strategy": "merge" };

const OBJECT_META: PatchSchema = {
  properties: {
    finalizers: { "x-kubernetes-patch-strategy": "merge" },
    ownerReferences: { "x-kubernetes-patch-merge-key": "uid", "x-kubernetes-patch-strategy": "merge" },
  },
};

/** Enough to merge and diff a Pod's `status` and `metadata` without the full schema. */
export const POD_STATUS_PATCH_SCHEMA: PatchSchema = {
  properties: {
    metadata: OBJECT_META,
    status: {
      properties: {
        conditions: byType,
        podIPs: { "x-kubernetes-patch-merge-key": "ip", "x-kubernetes-patch-strategy": "merge" },
        hostIPs: { "x-kubernetes-patch-merge-key": "ip", "x-kubernetes-patch-strategy": "merge" },
        resourceClaimStatuses: {
          "x-kubernetes-patch-merge-key": "name",
          "x-kubernetes-patch-strategy": "merge,retainKeys",
        },
      },
    },
  },
};

/** Enough to merge and diff a Node's `status`, `metadata` and taints without the full schema. */
export const NODE_STATUS_PATCH_SCHEMA: PatchSchema = {
  properties: {
    metadata: OBJECT_META,
    spec: { properties: { podCIDRs: { "x-kubernetes-patch-strategy": "merge" } } },
    status: { properties: { conditions: byType, addresses: byType } },
  },
};
