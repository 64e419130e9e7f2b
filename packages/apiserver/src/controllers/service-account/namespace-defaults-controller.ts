import { CONFIG_MAPS, type KubeObject, type ResourceType, SERVICE_ACCOUNTS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { ROOT_CA_CONFIG_MAP } from "../shared-informers.ts";
import { defaultServiceAccount, rootCaConfigMap, rootCaDiffers } from "./plan-namespace-defaults.ts";

const WORKERS = 2;

/** Gives every namespace what pods in it take for granted: ServiceAccount `default` and ConfigMap `kube-root-ca.crt`. */
export function startNamespaceDefaultsController(context: ControllerContext): ControllerLoop {
  const { kube, informers, rootCaPem } = context;
  const { namespaces, serviceAccounts, rootCaConfigMaps } = informers;

  async function reconcile(namespace: string, signal: AbortSignal): Promise<ReconcileResult> {
    const object = namespaces.get(namespace);
    if (object === undefined || object.metadata?.deletionTimestamp !== undefined) return {};
    if (serviceAccounts.get({ namespace, name: "default" }) === undefined)
      await createUnlessThere(SERVICE_ACCOUNTS, defaultServiceAccount(namespace), signal);
    const configMap = rootCaConfigMaps.get({ namespace, name: ROOT_CA_CONFIG_MAP });
    if (configMap === undefined) await createUnlessThere(CONFIG_MAPS, rootCaConfigMap(namespace, rootCaPem), signal);
    else if (rootCaDiffers(configMap, rootCaPem)) {
      const { resourceVersion } = configMap.metadata ?? {};
      const wanted = rootCaConfigMap(namespace, rootCaPem);
      const metadata = { ...wanted.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      await kube.update(CONFIG_MAPS, { ...wanted, metadata }, signal);
    }
    return {};
  }

  async function createUnlessThere<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await kube.create(type, object, signal);
    } catch (error) {
      // `AlreadyExists`: our cache is behind. `Forbidden`, `NotFound`: the namespace is going away.
      if (!["AlreadyExists", "Forbidden", "NotFound"].some((code) => hasCode(error, code))) throw error;
    }
  }

  const caches = [namespaces, serviceAccounts, rootCaConfigMaps];
  const loop = new ControllerLoop("namespace-defaults", context, caches, reconcile, WORKERS);
  loop.on(namespaces, (_, object) => (object === undefined ? [] : [object.metadata?.name ?? ""]));
  loop.on(serviceAccounts, (old, object) => (object === undefined ? [old?.metadata?.namespace ?? ""] : []));
  loop.on(rootCaConfigMaps, (old, object) => [(object ?? old)?.metadata?.namespace ?? ""]);
  return loop;
}
