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

/** The event as it is to be stored. @throws KubeApiError if it claims to come from another node. */
function ownEvent(event: Event, { node, key }: UpstreamRequest): Event {
  if (typeof event.metadata !== "object" || event.metadata === null) throw badRequest("an event must have metadata");
  for (const host of [event.source?.host, event.reportingInstance])
    if (host !== undefined && host !== "" && host !== node)
      throw forbidden(`node ${node} may not report events of ${host}`);
  const named = withoutEmptyTimes(event);
  return { ...named, metadata: { ...named.metadata, namespace: key.namespace ?? "default", name: key.name } };
}

export const createEvent: UpstreamHandler = {
  answer: "none",
  async run(request, { kube }, signal) {
    try {
      await kube.create(EVENTS, ownEvent(objectContent<Event>(request), request), signal);
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error; // it was sent twice
    }
    return undefined;
  },
};

export const updateEvent: UpstreamHandler = {
  answer: "none",
  async run(request, { kube }, signal) {
    await kube.update(EVENTS, ownEvent(objectContent<Event>(request), request), signal);
    return undefined;
  },
};

export const patchEvent: UpstreamHandler = {
  answer: "none",
  async run(request, deps, signal) {
    const { kube } = deps;
    const { event, patchData } = objectContent(request) as { event?: Event; patchData?: unknown };
    if (typeof event !== "object" || typeof patchData !== "string")
      throw badRequest("an event's patch must carry event and patchData");
    const whole = ownEvent(event, request);
    try {
      if (request.repeated && (await isCounted(whole, request, deps, signal))) return undefined;
      const body: unknown = JSON.parse(patchData);
      await kube.patch(EVENTS, request.key, { type: "strategic", body }, signal);
    } catch (error) {
      if (error instanceof SyntaxError) throw badRequest("patchData is not JSON");
      // Events expire: what is no longer there is created anew, as a kubelet does.
      if (!hasCode(error, "NotFound")) throw error;
      const { resourceVersion: _version, uid: _uid, ...metadata } = whole.metadata;
      await kube.create(EVENTS, { ...whole, metadata }, signal);
    }
    return undefined;
  },
};

/** Whether the event has happened that often already: what comes again must not set its count back. */
async function isCounted(
  { count = 0 }: Event,
  { key }: UpstreamRequest,
  { kube }: UpstreamDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const stored = await kube.get(EVENTS, key, signal);
  return (stored.count ?? 0) >= count;
}
