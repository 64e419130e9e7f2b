import { type Event, EVENTS } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import {
  badRequest,
  forbidden,
  objectContent,
  type UpstreamDeps,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutEmptyTimes,
} from "./upstream-request.ts";

/** Who says that it happened. */
function reportersOf(event: Event): string[] {
  const hosts = [event.source?.host, event.reportingInstance];
  return hosts.filter((host) => host !== undefined && host !== "") as string[];
}

/**
 * The event as it is to be stored. A pod that is gone by now may be anybody's: its events tell of its end.
 *
 * @throws KubeApiError `Forbidden` if it claims to come from another node, or is about something that is not this node's.
 */
function ownEvent(event: Event, { node, key }: UpstreamRequest, { view }: UpstreamDeps): Event {
  if (typeof event.metadata !== "object" || event.metadata === null) throw badRequest("an event must have metadata");
  const { kind, name = "", uid } = event.involvedObject ?? {};
  const namespace = key.namespace ?? "default";
  for (const host of reportersOf(event))
    if (host !== node) throw forbidden(`node ${node} may not report events of ${host}`);
  if (kind === "Pod") {
    const pod = view.pod({ namespace, name });
    const isMeant = pod !== undefined && (uid === undefined || uid === pod.metadata?.uid);
    if (isMeant && pod.spec?.nodeName !== node)
      throw forbidden(`node ${node} may not report events of pod ${namespace}/${name}, which is not on it`);
  } else if (kind !== "Node" || name !== node)
    throw forbidden(`node ${node} may not report events of ${kind ?? "nothing"} ${name}`);
  const named = withoutEmptyTimes(event);
  // Whoever reports it must be seen, also when it comes to changing it.
  const source = { ...event.source, host: node };
  return { ...named, source, metadata: { ...named.metadata, namespace, name: key.name } };
}

/** The event that is there. @throws KubeApiError `Forbidden` if another node has reported it; `NotFound` */
async function storedEvent(
  { node, key }: UpstreamRequest,
  { kube }: UpstreamDeps,
  signal: AbortSignal,
): Promise<Event> {
  const stored = await kube.get(EVENTS, key, signal);
  const reporters = reportersOf(stored);
  if (reporters.length === 0 || reporters.some((host) => host !== node))
    throw forbidden(`node ${node} may not change event ${key.namespace}/${key.name}, which it has not reported`);
  return stored;
}

export const createEvent: UpstreamHandler = {
  may: "report what happened to itself or to its pods",
  answer: "none",
  async run(request, deps, signal) {
    try {
      await deps.kube.create(EVENTS, ownEvent(objectContent<Event>(request), request, deps), signal);
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error; // it was sent twice
    }
    return undefined;
  },
};

export const updateEvent: UpstreamHandler = {
  may: "replace an event that it has reported",
  answer: "none",
  async run(request, deps, signal) {
    const event = ownEvent(objectContent<Event>(request), request, deps);
    await storedEvent(request, deps, signal);
    await deps.kube.update(EVENTS, event, signal);
    return undefined;
  },
};

export const patchEvent: UpstreamHandler = {
  may: "count an event that it has reported once more",
  answer: "none",
  async run(request, deps, signal) {
    const { event, patchData } = objectContent(request) as { event?: Event; patchData?: unknown };
    if (typeof event !== "object" || typeof patchData !== "string")
      throw badRequest("an event's patch must carry event and patchData");
    const whole = ownEvent(event, request, deps);
    try {
      const stored = await storedEvent(request, deps, signal);
      // What comes again, or late, must not set its count back: stock edges scramble what they say (W36).
      const [had, has] = [stored.count ?? 0, whole.count ?? 0];
      if (had > has || (request.repeated && had === has)) return undefined;
      const body = countOnly(patchData);
      await deps.kube.patch(EVENTS, request.key, { type: "strategic", body }, signal);
    } catch (error) {
      // Events expire: what is no longer there is created anew, as a kubelet does.
      if (!hasCode(error, "NotFound")) throw error;
      const { resourceVersion: _version, uid: _uid, ...metadata } = whole.metadata;
      await deps.kube.create(EVENTS, { ...whole, metadata }, signal);
    }
    return undefined;
  },
};

/** What a recorder changes in an event that happens again. Who has reported it, and of what, stays. */
const COUNTED = ["count", "lastTimestamp", "message", "series"] as const;

function countOnly(patchData: string): Record<string, unknown> {
  let patch: unknown;
  try {
    patch = JSON.parse(patchData);
  } catch {
    throw badRequest("patchData is not JSON");
  }
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) throw badRequest("patchData is no patch");
  const given = patch as Record<string, unknown>;
  return Object.fromEntries(COUNTED.filter((name) => name in given).map((name) => [name, given[name]]));
}
