import {
  errorAnswer,
  type Message,
  objectAnswer,
  objectErrorAnswer,
  okAnswer,
  parseResource,
  queryAnswer,
} from "@kedge/protocol";
import { KubeApiError } from "@kedge/kube";
import { isAbort, toError } from "@kedge/runtime";
import { createSigningRequest, querySigningRequest } from "./csr-requests.ts";
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
import { OrderedWork } from "./ordered-work.ts";
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

/** Which messages must not overtake each other: those about the same thing. */
const SAME_THING: Readonly<Record<string, string>> = {
  nodepatch: "node",
  nodestatus: "node",
  podpatch: "pod",
  podstatus: "pod",
};

/** Does what nodes ask for, each thing in order, and answers. */
export class Upstream {
  readonly #deps: UpstreamDeps;
  readonly #work = new OrderedWork();
  readonly #signal: AbortSignal;

  constructor(deps: UpstreamDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Resolves when the request was answered. Never rejects for what a node sent. */
  async handle(node: string, message: Message): Promise<void> {
    const { operation = "", resource } = message.route;
    const path = parseResource(resource);
    const handler = UPSTREAM_HANDLERS.get(`${operation} ${path?.type ?? ""}`);
    if (path === undefined || handler === undefined || (path.name === undefined && path.type !== "podstatus")) {
      this.#deps.logger.warn({ node, route: message.route }, "refused: no such request");
      return;
    }
    const { namespace, type, name = "" } = path;
    const key = namespace === undefined ? { name } : { namespace, name };
    const request: UpstreamRequest = { node, message, operation, type, key, content: message.content };
    const lane = `${node} ${SAME_THING[type] ?? type} ${namespace}/${type === "event" ? "" : name}`;
    await this.#work.run(lane, () => this.#run(handler, request));
  }

  async #run(handler: UpstreamHandler, request: UpstreamRequest): Promise<void> {
    try {
      this.#signal.throwIfAborted();
      const object = await handler.run(request, this.#deps, this.#signal);
      this.#answer(handler, request, object);
    } catch (error) {
      if (isAbort(error, this.#signal)) return;
      this.#answerError(handler, request, error);
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

  #answerError({ answer }: UpstreamHandler, { node, message }: UpstreamRequest, error: unknown): void {
    const { logger, send } = this.#deps;
    const refused = error instanceof KubeApiError && (error.code === "Forbidden" || error.code === "BadRequest");
    // What nodes commonly meet, such as a conflict or a ConfigMap that is missing, is theirs to deal with.
    const level = refused ? "warn" : error instanceof KubeApiError ? "debug" : "error";
    logger[level]({ node, route: message.route, error: toError(error) }, refused ? "refused" : "request failed");
    if (answer === "object" || answer === "versioned") send(objectErrorAnswer(node, message, error));
    else if (answer !== "none") send(errorAnswer(node, message, error));
    else if (message.route.resource?.includes("/nodestatus/") === true)
      send(errorAnswer(node, message, error, { resource: message.route.resource.replace("/nodestatus/", "/node/") }));
  }
}
