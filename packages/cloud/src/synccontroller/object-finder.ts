import { type Device, DEVICE_MODELS, DEVICES } from "@kedge/api";
import {
  apiVersionOf,
  CONFIG_MAPS,
  type KubeObject,
  NODES,
  type Pod,
  PODS,
  type ResourceType,
  SECRETS,
} from "@kedge/kube";
import { discoverResources, type KubeClient } from "@kedge/kube-client";
import { hasCode, type Logger } from "@kedge/runtime";
import type { SyncRecord } from "../cloudhub/sync-record.ts";
import { asReported } from "../cloudstream/node-endpoint.ts";
import type { ClusterView } from "../edgecontroller/cluster-view.ts";

/** The object that a record is about; `unknown` if nobody can tell what became of it. */
export type FoundObject = KubeObject | "unknown" | undefined;

interface ObjectFinderDeps {
  readonly kube: KubeClient;
  readonly view: ClusterView;
  readonly logger: Logger;
}

/** Finds the objects that records are about: in our copy where there is one, else in the API server. */
export class ObjectFinder {
  readonly #deps: ObjectFinderDeps;
  readonly #types = new Map<string, ResourceType | undefined>();

  constructor(deps: ObjectFinderDeps) {
    this.#deps = deps;
    for (const type of [PODS, NODES, CONFIG_MAPS, SECRETS, DEVICES, DEVICE_MODELS])
      this.#types.set(typeKey(apiVersionOf(type), type.kind), type);
  }

  async find(record: SyncRecord, signal: AbortSignal): Promise<FoundObject> {
    const { view } = this.#deps;
    const { apiVersion, kind, namespace, name } = record;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    if (apiVersion === "v1" && kind === "Pod") {
      const pod = view.pod(key);
      return pod !== undefined && isOfNode(pod, record) ? pod : undefined;
    }
    if (apiVersion === "v1" && kind === "Node") {
      const node = view.node(name);
      return node && asReported(node);
    }
    if (apiVersion === "v1" && kind === "ConfigMap") return view.configMaps.get(key, false, signal);
    if (apiVersion === "v1" && kind === "Secret") return view.secrets.get(key, false, signal);
    const object = await this.read(record, signal);
    return object === undefined || object === "unknown" || isOfNode(object, record) ? object : undefined;
  }

  /**
   * Whether the API server itself says so. Our copy may be behind the one of the instance that served the node before, and
   * to delete a pod that lives is the worst that we could do.
   */
  async isGone(record: SyncRecord, signal: AbortSignal): Promise<boolean> {
    const object = await this.read(record, signal);
    if (object === "unknown") return false;
    return object?.metadata?.uid !== record.uid || !isOfNode(object, record);
  }

  /** What the API server has, whatever our copy says. */
  async read(
    { apiVersion, kind, namespace, name }: Pick<SyncRecord, "apiVersion" | "kind" | "namespace" | "name">,
    signal: AbortSignal,
  ): Promise<FoundObject> {
    const type = await this.#typeOf(apiVersion, kind, signal);
    if (type === undefined) return "unknown";
    try {
      return await this.#deps.kube.get(type, { ...(type.namespaced && { namespace }), name }, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** KubeEdge guesses plurals from kinds (W30); the API server knows them. */
  async #typeOf(apiVersion: string, kind: string, signal: AbortSignal): Promise<ResourceType | undefined> {
    const key = typeKey(apiVersion, kind);
    if (this.#types.has(key)) return this.#types.get(key);
    const discovery = await discoverResources(this.#deps.kube, signal);
    for (const { type } of discovery.resources) this.#types.set(typeKey(apiVersionOf(type), type.kind), type);
    const found = this.#types.get(key);
    if (found === undefined)
      this.#deps.logger.warn({ apiVersion, kind }, "a sync record names a kind that the API server does not know");
    this.#types.set(key, found);
    return found;
  }
}

/** A pod or device that is on another node now is none of this node's. */
export function isOfNode(object: KubeObject, { kind, node }: { kind: string; node: string }): boolean {
  if (kind === "Node") return object.metadata?.name === node;
  if (kind !== "Pod" && kind !== "Device") return true;
  return (object as Pod | Device).spec?.nodeName === node;
}

/** Devices are DeviceController's, and the edge hands them to DeviceTwin only if it says so (W31). */
export function sourceOf({ apiVersion }: { apiVersion: string }): "edgecontroller" | "devicecontroller" {
  return apiVersion.startsWith("devices.kubeedge.io/") ? "devicecontroller" : "edgecontroller";
}

function typeKey(apiVersion: string, kind: string): string {
  return `${apiVersion}/${kind}`;
}
