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
