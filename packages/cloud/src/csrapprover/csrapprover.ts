import { CERTIFICATE_SIGNING_REQUESTS, type CertificateSigningRequest, type Node, NODES } from "@kedge/kube";
import {
  EventRecorder,
  Informer,
  type KubeClient,
  type ReconcileResult,
  runController,
  WorkQueue,
} from "@kedge/kube-client";
import { type Clock, Component, hasCode, type Logger, toError } from "@kedge/runtime";
import { KUBELET_SERVING, readServingRequest, whyNotItsNames } from "./judge-request.ts";

const WORKERS = 2;
/** A node may hand in its request before its addresses are known: so long we look again… */
const PATIENCE_MS = 10 * 60_000;
/** …this often. */
const LOOK_MS = 15_000;
const REASON = "AutoApproved";

export interface CsrApproverDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Approves what edge nodes ask the cluster to sign for their own servers, and nothing else. */
export class CsrApprover extends Component {
  readonly #deps: CsrApproverDeps;
  readonly #scope = new AsyncDisposableStack();
  readonly #queue: WorkQueue<string>;
  readonly #events: EventRecorder;
  readonly #self: string | undefined;
  readonly #requests: Informer<CertificateSigningRequest>;
  #running: Promise<void> = Promise.resolve();

  private constructor(self: string | undefined, deps: CsrApproverDeps) {
    super();
    this.#deps = deps;
    this.#self = self;
    const { kube, clock, logger } = deps;
    this.#queue = new WorkQueue({ clock });
    this.#events = this.#scope.use(new EventRecorder(kube, { component: "cloudcore", logger, clock }));
    const fieldSelector = `spec.signerName=${KUBELET_SERVING}`;
    this.#requests = this.#scope.use(
      new Informer(kube, CERTIFICATE_SIGNING_REQUESTS, { fieldSelector, clock, logger }),
    );
  }

  static async start(deps: CsrApproverDeps, signal: AbortSignal): Promise<CsrApprover> {
    const approver = new CsrApprover(await whoAmI(deps, signal), deps);
    approver.#start();
    return approver;
  }

  #start(): void {
    this.#requests.onChange((_, request) => {
      const name = request?.metadata?.name;
      if (name !== undefined && request !== undefined && isPending(request)) this.#queue.add(name);
    });
    this.#running = runController(
      this.#queue,
      (name, signal) => this.#judge(name, signal),
      this.#deps.logger,
      this.signal,
      WORKERS,
    );
  }

  async #judge(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const request = this.#requests.get({ name });
    if (request === undefined || !isPending(request)) return {};
    const read = readServingRequest(request, this.#self);
    if (typeof read === "string") return this.#leave(request, read);
    const reason = whyNotItsNames(read, await this.#findNode(read.node, signal));
    if (reason === undefined) {
      await this.#approve(request, read.node, signal);
      return {};
    }
    const age = this.#deps.clock.now() - Date.parse(request.metadata?.creationTimestamp ?? "");
    return age < PATIENCE_MS ? { requeueAfterMs: LOOK_MS } : this.#leave(request, reason);
  }

  /** Others may judge otherwise: it stays as it is, for a person to approve. */
  #leave(request: CertificateSigningRequest, reason: string): ReconcileResult {
    const message = `not approved by cloudcore, since ${reason}: look at it, and kubectl certificate approve or deny it`;
    this.#deps.logger.warn({ request: request.metadata?.name, user: request.spec?.username }, message);
    this.#events.record(CERTIFICATE_SIGNING_REQUESTS, request, "Warning", "NotApproved", message);
    return {};
  }

  async #approve(request: CertificateSigningRequest, node: string, signal: AbortSignal): Promise<void> {
    const condition = {
      type: "Approved",
      status: "True",
      reason: REASON,
      message: `node ${node} asks for its own serving certificate`,
    };
    const status = { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] };
    const { kube, logger } = this.#deps;
    const approved = { ...request, status };
    await kube.update(CERTIFICATE_SIGNING_REQUESTS, approved, signal, { subresource: "approval" });
    logger.info({ request: request.metadata?.name, node }, "approved a node's serving certificate");
  }

  async #findNode(name: string, signal: AbortSignal): Promise<Node | undefined> {
    try {
      return await this.#deps.kube.get(NODES, { name }, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  protected override async stop(): Promise<void> {
    await this.#running;
    await this.#scope.disposeAsync();
  }
}

function isPending({ status }: CertificateSigningRequest): boolean {
  const decided = status?.conditions?.some(({ type }) => type === "Approved" || type === "Denied" || type === "Failed");
  return decided !== true && (status?.certificate ?? "") === "";
}

/** @returns undefined where the API server does not say: then only what nodes hand in themselves is approved. */
async function whoAmI({ kube, logger }: CsrApproverDeps, signal: AbortSignal): Promise<string | undefined> {
  const type = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  try {
    const { status, body } = await kube.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", signal, type);
    const review = JSON.parse(body) as { status?: { userInfo?: { username?: unknown } } };
    const username = review.status?.userInfo?.username;
    if (status < 300 && typeof username === "string") return username;
  } catch (error) {
    signal.throwIfAborted();
    logger.debug({ error: toError(error) }, "the API server did not say who we are");
  }
  logger.warn({}, "who we are for the API server is unknown: requests that come over the channel will not be approved");
  return undefined;
}
