import { errorAnswer, objectAnswer, objectErrorAnswer, okAnswer, parseResource, queryAnswer } from "@kedge/protocol";
import { KubeApiError } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { createSigningRequest, querySigningRequest } from "./csr-requests.ts";
import { reportClaimSize } from "./claim-size-request.ts";
import { publishCsiNode, queryCsiDriver, queryRuntimeClass } from "./csi-requests.ts";
import { createEvent, patchEvent, updateEvent } from "./event-requests.ts";
import { createLease, queryLease, updateLease } from "./lease-requests.ts";
import {
  createNodeStatus,
  patchNodeStatus,
  queryNode,
  registerNode,
  updateNode,
  updateNodeStatus,
} from "./node-requests.ts";
import { createPod, deletePod, patchPodStatus, updatePodStatus } from "./pod-requests.ts";
import {
  queryConfigMap,
  querySecret,
  queryVolume,
  queryVolumeAttachment,
  queryVolumeClaim,
  requestToken,
} from "./query-requests.ts";
import type { UpstreamMessage } from "../cloud-messages.ts";
import { mayHeal } from "../may-heal.ts";
import { badRequest, type UpstreamDeps, type UpstreamHandler, type UpstreamRequest } from "./upstream-request.ts";

/** All that an edge may ask of EdgeController: operation and type. What is not listed is refused. */
export const UPSTREAM_HANDLERS: ReadonlyMap<string, UpstreamHandler> = new Map([
  ["insert node", registerNode],
  ["update node", updateNode],
  ["query node", queryNode],
  ["patch nodepatch", patchNodeStatus],
  ["insert nodestatus", createNodeStatus],
  ["update nodestatus", updateNodeStatus],
  ["insert pod", createPod],
  ["delete pod", deletePod],
  ["patch podpatch", patchPodStatus],
  ["update podstatus", updatePodStatus],
  ["query configmap", queryConfigMap],
  ["query secret", querySecret],
  ["query persistentvolume", queryVolume],
  ["query persistentvolumeclaim", queryVolumeClaim],
  ["query volumeattachment", queryVolumeAttachment],
  ["query csidriver", queryCsiDriver],
  ["query runtimeclass", queryRuntimeClass],
  ["insert csinode", publishCsiNode],
  ["update claimsize", reportClaimSize],
  ["update csinode", publishCsiNode],
  ["query serviceaccounttoken", requestToken],
  ["insert lease", createLease],
  ["update lease", updateLease],
  ["query lease", queryLease],
  ["insert event", createEvent],
  ["update event", updateEvent],
  ["patch event", patchEvent],
  ["insert certificatesigningrequest", createSigningRequest],
  ["query certificatesigningrequest", querySigningRequest],
]);

/** Does what nodes ask for, and answers. */
export class Upstream {
  readonly #deps: UpstreamDeps;

  constructor(deps: UpstreamDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when the request was done and answered, or refused.
   *
   * @throws only for a numbered message, what may heal; the signal's reason.
   */
  async handle({ node, message, numbered }: UpstreamMessage, signal: AbortSignal): Promise<void> {
    const { operation = "", resource } = message.route;
    const path = parseResource(resource);
    const handler = UPSTREAM_HANDLERS.get(`${operation} ${path?.type ?? ""}`);
    if (path === undefined || handler === undefined || (path.name === undefined && path.type !== "podstatus")) {
      this.#deps.logger.warn({ node, route: message.route }, "refused: no such request");
      return;
    }
    const { namespace, type, name = "" } = path;
    const key = namespace === undefined ? { name } : { namespace, name };
    const repeated = numbered?.repeated ?? false;
    const request: UpstreamRequest = { node, message, operation, type, key, content: message.content, repeated };
    try {
      this.#answer(handler, request, await handler.run(request, this.#deps, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (numbered !== undefined && mayHeal(error)) throw error;
      this.#answerError(handler, request, error, numbered !== undefined);
    }
  }

  #answer(
    { answer }: UpstreamHandler,
    { node, message }: UpstreamRequest,
    object: Awaited<ReturnType<UpstreamHandler["run"]>>,
  ): void {
    const { send } = this.#deps;
    if (answer === "none") return;
    if (answer === "ok") return send(okAnswer(node, message));
    if (object === undefined) throw badRequest("there is nothing to answer with");
    if (answer === "bare") return send(queryAnswer(node, message, object));
    const resourceVersion = answer === "versioned" ? object.metadata?.resourceVersion : undefined;
    send(objectAnswer(node, message, object, { resourceVersion }));
  }

  #answerError({ answer }: UpstreamHandler, { node, message }: UpstreamRequest, error: unknown, isLost: boolean): void {
    const { logger, send } = this.#deps;
    const refused =
      isLost || (error instanceof KubeApiError && (error.code === "Forbidden" || error.code === "BadRequest"));
    // What nodes commonly meet, such as a conflict or a ConfigMap that is missing, is theirs to deal with.
    const level = refused ? "warn" : error instanceof KubeApiError ? "debug" : "error";
    logger[level]({ node, route: message.route, error: toError(error) }, refused ? "refused" : "request failed");
    if (answer === "object" || answer === "versioned") send(objectErrorAnswer(node, message, error));
    else if (answer !== "none") send(errorAnswer(node, message, error));
    else if (message.route.resource?.includes("/nodestatus/") === true)
      send(errorAnswer(node, message, error, { resource: message.route.resource.replace("/nodestatus/", "/node/") }));
  }
}
