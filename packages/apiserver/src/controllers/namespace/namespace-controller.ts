import { equalJson, type Namespace, NAMESPACES, type ResourceType } from "@kedge/kube";
import { discoverResources, type DiscoveredResource, type ReconcileResult } from "@kedge/kube-client";
import { Backoff, hasCode, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { deletionConditions, isEmpty, type Remains } from "./plan-namespace-deletion.ts";

const WORKERS = 2;
const FINALIZER = "kubernetes";
/** What remains is asked for again after a growing wait: its owners decide when it goes. */
const RECHECK = { initialMs: 250, maxMs: 15_000 };
/** Objects of one resource that are counted; more say no more to a user. */
const COUNTED_MAX = 500;

/** Empties namespaces that were deleted, then lets them go. */
export function startNamespaceController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { namespaces, pods } = informers;
  const waits = new Map<string, Backoff>();

  async function reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const namespace = namespaces.get(name);
    if (namespace?.metadata?.deletionTimestamp === undefined) {
      waits.delete(name);
      return {};
    }
    const remains = await removeContent(name, signal);
    await writeConditions(namespace, remains, signal);
    if (isEmpty(remains)) {
      await finalize(name, signal);
      return {};
    }
    const wait = waits.get(name) ?? new Backoff(RECHECK);
    waits.set(name, wait);
    return { requeueAfterMs: wait.next() };
  }

  async function removeContent(namespace: string, signal: AbortSignal): Promise<Remains> {
    const remains = {
      resources: new Map<string, number>(),
      finalizers: new Map<string, number>(),
      discoveryErrors: [] as string[],
      contentErrors: [] as string[],
    };
    const { resources, failed } = await discoverResources(kube, signal);
    remains.discoveryErrors.push(...failed.map(({ groupVersion, error }) => `${groupVersion}: ${error.message}`));
    const deletable = resources.filter(
      ({ type, verbs }) => type.namespaced && verbs.includes("delete") && verbs.includes("list"),
    );
    // Pods first: what they use while they end (Secrets, accounts, policies) must outlive them.
    const isPods = ({ type }: DiscoveredResource) => type.group === "" && type.resource === "pods";
    await Promise.all(deletable.filter(isPods).map((resource) => empty(namespace, resource, remains, signal)));
    if (remains.resources.size > 0 || remains.contentErrors.length > 0) return remains;
    await Promise.all(
      deletable.filter((resource) => !isPods(resource)).map((resource) => empty(namespace, resource, remains, signal)),
    );
    return remains;
  }

  async function empty(
    namespace: string,
    { type, verbs }: DiscoveredResource,
    remains: {
      resources: Map<string, number>;
      finalizers: Map<string, number>;
      contentErrors: string[];
    },
    signal: AbortSignal,
  ): Promise<void> {
    const select = () => kube.list(type, { namespace, limit: COUNTED_MAX, metadataOnly: true }, signal);
    try {
      const before = await select();
      if (before.items.length === 0) return;
      const options = { propagationPolicy: "Background" };
      if (verbs.includes("deletecollection")) await kube.deleteCollection(type, { namespace }, signal, options);
      else
        for (const { metadata } of before.items)
          if (metadata?.deletionTimestamp === undefined)
            await kube.delete(type, { namespace, name: metadata?.name ?? "" }, signal, options).catch(unlessGone);
      const after = await select();
      if (after.items.length === 0) return;
      remains.resources.set(nameOf(type), after.items.length + (after.metadata.remainingItemCount ?? 0));
      for (const finalizer of after.items.flatMap(({ metadata }) => metadata?.finalizers ?? []))
        remains.finalizers.set(finalizer, (remains.finalizers.get(finalizer) ?? 0) + 1);
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, "NotFound") || hasCode(error, "MethodNotAllowed")) return; // the resource itself went away
      remains.contentErrors.push(`${nameOf(type)}: ${toError(error).message}`);
    }
  }

  async function writeConditions(namespace: Namespace, remains: Remains, signal: AbortSignal): Promise<void> {
    const conditions = deletionConditions(namespace, remains, new Date(clock.now()).toISOString());
    if (equalJson(conditions, namespace.status?.conditions)) return;
    const { name = "", uid } = namespace.metadata ?? {};
    const body = { metadata: { uid }, status: { conditions } };
    try {
      await kube.patch(NAMESPACES, { name }, { type: "strategic", body }, signal, { subresource: "status" });
    } catch (error) {
      unlessGone(error);
    }
  }

  async function finalize(name: string, signal: AbortSignal): Promise<void> {
    try {
      const fresh = await kube.get(NAMESPACES, { name }, signal);
      const finalizers = (fresh.spec?.finalizers ?? []).filter((each) => each !== FINALIZER);
      const spec = { ...fresh.spec, finalizers };
      await kube.update(NAMESPACES, { ...fresh, spec }, signal, { subresource: "finalize" });
    } catch (error) {
      unlessGone(error);
    }
  }

  const loop = new ControllerLoop("namespace", context, [namespaces, pods], reconcile, WORKERS);
  loop.on(namespaces, (old, object) => {
    const { name = "", deletionTimestamp } = (object ?? old)?.metadata ?? {};
    return deletionTimestamp === undefined ? [] : [name];
  });
  loop.on(pods, function* (old, object) {
    const name = old?.metadata?.namespace ?? "";
    if (object === undefined && namespaces.get(name)?.metadata?.deletionTimestamp !== undefined) yield name;
  });
  return loop;
}

function unlessGone(error: unknown): void {
  if (!hasCode(error, "NotFound")) throw error;
}

/** As `kubectl` names it: `pods.`, `deployments.apps`. */
function nameOf({ resource, group }: ResourceType): string {
  return `${resource}.${group}`;
}
