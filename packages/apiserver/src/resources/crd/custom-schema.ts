import { isJsonObject, type SchemaNode } from "@kedge/kube";
import { builtinSchema, OBJECT_META } from "../../openapi/builtin-schemas.ts";

/**
 * The schema of a custom resource: what its definition says, and the members that every object has.
 *
 * @param written `spec.versions[].schema.openAPIV3Schema`; not changed.
 */
export function customSchema(written: SchemaNode | undefined): SchemaNode {
  const root = withEmbeddedMetadata(written ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true });
  return {
    ...root,
    type: "object",
    properties: {
      ...root.properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      // Validation of metadata is the server's own; what the definition says of it (name patterns) comes on top.
      metadata: { type: "object", "x-kubernetes-preserve-unknown-fields": true, ...metadataRules(root) },
    },
  };
}

function metadataRules({ properties }: SchemaNode): SchemaNode {
  const written = properties?.["metadata"];
  return written === undefined ? {} : { ...written, "x-kubernetes-preserve-unknown-fields": true };
}

/** Embedded resources (pod templates and the like) carry metadata of the usual form without saying so. */
function withEmbeddedMetadata(schema: SchemaNode): SchemaNode {
  const { properties, items, additionalProperties } = schema;
  const members: Record<string, SchemaNode> = {};
  for (const [name, child] of Object.entries(properties ?? {})) members[name] = withEmbeddedMetadata(child);
  if (schema["x-kubernetes-embedded-resource"] === true) {
    members["apiVersion"] ??= { type: "string" };
    members["kind"] ??= { type: "string" };
    members["metadata"] = embeddedMetadata();
  }
  return {
    ...schema,
    ...(Object.keys(members).length > 0 && { properties: members }),
    ...(items !== undefined && { items: withEmbeddedMetadata(items) }),
    ...(isJsonObject(additionalProperties) && {
      additionalProperties: withEmbeddedMetadata(additionalProperties as SchemaNode),
    }),
  };
}

function embeddedMetadata(): SchemaNode {
  const { properties } = builtinSchema(OBJECT_META);
  return { type: "object", ...(properties !== undefined && { properties }) };
}
