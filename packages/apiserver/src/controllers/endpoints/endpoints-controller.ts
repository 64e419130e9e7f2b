import {
  ENDPOINT_SLICES,
  ENDPOINTS,
  type EndpointSlice,
  equalJson,
  keyOf,
  parseKey,
  type Pod,
  selectorMatches,
  type Service,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { PendingWrites } from "../pending-writes.ts";
import { BY_NAMESPACE } from "../shared-informers.ts";
import { planEndpoints, sameSubsets } from "./plan-endpoints.ts";
import { MANAGED_BY_LABEL, MANAGED_BY_US, planEndpointSlices, SERVICE_NAME_LABEL } from "./plan-endpoint-slices.ts";
import { addressTypesOf, backendsOf, hasOwnEndpoints } from "./service-endpoints.ts";

const WORKERS = 2;

/** Keeps Endpoints and EndpointSlices equal to the pods that each Service selects. */
export function startEndpointsController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { services, pods, nodes, endpoints, endpointSlices } = informers;
  const pending = new PendingWrites(endpointSlices, clock);

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const service = services.get(key);
    if (service === undefined) {
      pending.forget(key);
      // Slices go with their owner; Endpoints have none. Only where we made them.
      if (endpoints.get(key)?.metadata?.labels?.["endpoints.kubernetes.io/managed-by"] !== undefined)
        await kube.delete(ENDPOINTS, parseKey(key), signal);
      return {};
    }
    if (hasOwnEndpoints(service) || service.metadata?.deletionTimestamp !== undefined) return {};
    const waitMs = pending.waitMs(key);
    if (waitMs !== undefined) return { requeueAfterMs: waitMs };
    const selected = pods
      .byIndex(BY_NAMESPACE, service.metadata?.namespace ?? "")
      .filter((pod) => selectorMatches({ matchLabels: service.spec?.selector ?? {} }, pod.metadata?.labels));
    const types = addressTypesOf(service);
    const backends = new Map(
      types.map((type) => [type, backendsOf(service, selected, type, (name) => nodes.get(name))]),
    );
    await writeSlices(key, service, planEndpointSlices(service, backends, slicesOf(service)), signal);
    await writeEndpoints(key, planEndpoints(service, backends.get(types[0] ?? "IPv4") ?? []), signal);
    return {};
  }

  function slicesOf(service: Service): EndpointSlice[] {
    return endpointSlices
      .byIndex(BY_NAMESPACE, service.metadata?.namespace ?? "")
      .filter(
        ({ metadata }) =>
          metadata?.labels?.[SERVICE_NAME_LABEL] === service.metadata?.name &&
          metadata?.labels?.[MANAGED_BY_LABEL] === MANAGED_BY_US,
      );
  }

  async function writeSlices(
    key: string,
    service: Service,
    plan: ReturnType<typeof planEndpointSlices>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const slice of plan.create)
      try {
        pending.created(key, await kube.create(ENDPOINT_SLICES, slice, signal));
      } catch (error) {
        if (service.metadata?.namespace === undefined || !hasCode(error, "Forbidden")) throw error;
        return; // its namespace is going away
      }
    for (const slice of plan.update) await kube.update(ENDPOINT_SLICES, slice, signal);
    for (const slice of plan.remove) {
      const { namespace, name = "" } = slice.metadata ?? {};
      await kube.delete(ENDPOINT_SLICES, { namespace, name }, signal);
      pending.deleted(key, slice);
    }
  }

  async function writeEndpoints(
    key: string,
    wanted: ReturnType<typeof planEndpoints>,
    signal: AbortSignal,
  ): Promise<void> {
    const present = endpoints.get(key);
    if (present === undefined) {
      try {
        await kube.create(ENDPOINTS, wanted, signal);
      } catch (error) {
        if (!hasCode(error, "Forbidden")) throw error; // its namespace is going away
      }
      return;
    }
    const same =
      sameSubsets(present.subsets, wanted.subsets) &&
      equalJson(present.metadata?.labels ?? {}, wanted.metadata?.labels ?? {}) &&
      equalJson(present.metadata?.annotations ?? {}, wanted.metadata?.annotations ?? {});
    if (same) return;
    const { resourceVersion } = present.metadata ?? {};
    const metadata = { ...wanted.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    await kube.update(ENDPOINTS, { ...wanted, metadata }, signal);
  }

  const caches = [services, pods, nodes, endpoints, endpointSlices];
  const loop = new ControllerLoop("endpoints", context, caches, reconcile, WORKERS);
  loop.on(services, (old, object) => [keyOf(object ?? old ?? {})]);
  loop.on(pods, (old, pod) => {
    if (old !== undefined && pod !== undefined && seenByServices(old) === seenByServices(pod)) return [];
    const both = [old, pod].filter((each) => each !== undefined);
    return services
      .byIndex(BY_NAMESPACE, (pod ?? old)?.metadata?.namespace ?? "")
      .filter((service) => !hasOwnEndpoints(service))
      .filter(({ spec }) =>
        both.some((each) => selectorMatches({ matchLabels: spec?.selector ?? {} }, each.metadata?.labels)),
      )
      .map(keyOf);
  });
  // Whoever edits what is ours finds it mended.
  loop.on(endpoints, (old, object) => [keyOf(object ?? old ?? {})]);
  loop.on(endpointSlices, function* (old, object) {
    const { namespace, labels } = (object ?? old)?.metadata ?? {};
    const name = labels?.[SERVICE_NAME_LABEL];
    if (name !== undefined) yield `${namespace}/${name}`;
  });
  return loop;
}

/** The part of a pod that its Services depend on. */
function seenByServices(pod: Pod): string {
  const { labels, deletionTimestamp } = pod.metadata ?? {};
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready")?.status;
  return JSON.stringify([labels, deletionTimestamp, ready, pod.status?.phase, pod.status?.podIPs, pod.spec?.nodeName]);
}
