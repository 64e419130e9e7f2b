export type * from "./kube-types.ts";
export {
  apiVersionOf,
  keyOf,
  parseKey,
  type KubeList,
  type KubeObject,
  type KubeStatus,
  type ObjectKey,
  type ResourceType,
  type WatchEvent,
} from "./kube-object.ts";
export { KubeApiError } from "./kube-api-error.ts";
export * from "./resources.ts";
export {
  canonicalJson,
  cloneJson,
  equalJson,
  isJsonObject,
  type JsonObject,
  type JsonPrimitive,
  type JsonValue,
  ownMember,
} from "./json.ts";
export { compareResourceVersions } from "./resource-version.ts";
export * from "./selectors/field-selector.ts";
export * from "./selectors/label-selector.ts";
export * from "./selectors/node-affinity.ts";
export * from "./selectors/tolerations.ts";
export { SelectorError } from "./selectors/selector-error.ts";
export * from "./names.ts";
export * from "./quantity.ts";
export { applyJsonPatch, JSON_PATCH_OPERATIONS_MAX } from "./patch/json-patch.ts";
export { applyMergePatch } from "./patch/merge-patch.ts";
export { applyStrategicMergePatch } from "./patch/strategic-merge-patch.ts";
export { strategicDiff } from "./patch/strategic-diff.ts";
export { NODE_STATUS_PATCH_SCHEMA, type PatchSchema, POD_STATUS_PATCH_SCHEMA } from "./patch/patch-schema.ts";
export { PatchError } from "./patch/patch-error.ts";
export { PATCH_DEPTH_MAX, refuseProto } from "./patch/refuse-proto.ts";
export { defaultPodOnly, defaultPodSpec, defaultPodTemplate } from "./pod-spec-defaults.ts";
export * from "./owner-references.ts";
export * from "./conditions.ts";
export * from "./field-error.ts";
export { ANYTHING, childPath, memberSchema, type SchemaNode } from "./schema/schema-node.ts";
export { pruneUnknown } from "./schema/prune-unknown.ts";
export { applySchemaDefaults } from "./schema/apply-schema-defaults.ts";
export { SCHEMA_ERRORS_MAX, validateSchema, VALUE_DEPTH_MAX } from "./schema/validate-schema.ts";
export { compilePattern, isBase64 } from "./schema/validate-scalar.ts";
