import { Backoff, type Clock, Component, deferred, isAbort, type Logger, toError } from "@kedge/runtime";
import type { TlsIdentity, TunnelConnection, TunnelConnectType, TunnelLink } from "@kedge/transport";
import { TunnelFrameType } from "@kedge/protocol";
import type { EdgeBus } from "../edge-messages.ts";
import { type AnswerKubelet, serveConnection } from "./serve-connection.ts";

export interface EdgeStreamConfig {
  readonly nodeName: string;
  /** `host:port` of the cloud's tunnel. */
  readonly server: string;
  readonly handshakeTimeoutMs: number;
}

export interface EdgeStreamDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Read anew for each try; `undefined`: this node has not joined yet. */
  readonly identity: () => TlsIdentity | undefined;
  readonly nodeIP: () => Promise<string>;
  /** The node's kubelet endpoint, within this process. */
  readonly answerKubelet: AnswerKubelet;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Share of each wait that is random, so that nodes do not come back together. */
const RETRY_JITTER = 0.5;
/** A tunnel that lived so long was a good one. */
const STABLE_MS = 10_000;
/** The channel is back: then the tunnel, if it lives, answers a ping within this time. */
const ANSWER_MS = 10_000;

/** Keeps the tunnel open through which the cloud sees into this node: logs, exec, attach, port-forward, metrics. */
export class EdgeStream extends Component {
  readonly #config: EdgeStreamConfig;
  readonly #deps: EdgeStreamDeps;
  readonly #backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS, jitter: RETRY_JITTER });
  #link: TunnelLink | undefined;
  #hurry = deferred();
  #told = "";
  #loop: Promise<void> = Promise.resolve();
  #listener: Disposable | undefined;
  #answers: Disposable | undefined;

  private constructor(config: EdgeStreamConfig, deps: EdgeStreamDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
  }

  /** Never waits for the cloud: the tunnel opens when it can. */
  static start(config: EdgeStreamConfig, deps: EdgeStreamDeps): EdgeStream {
    const edgeStream = new EdgeStream(config, deps);
    edgeStream.#listener = deps.bus.listen("hub/connection", ({ connected }) => {
      if (!connected) return;
      edgeStream.#hurry.resolve(); // the cloud is there again
      edgeStream.#link?.expectAnswer(ANSWER_MS);
    });
    edgeStream.#answers = deps.bus.handle("edgestream/status", () => edgeStream.#status());
    edgeStream.#loop = edgeStream.#run();
    return edgeStream;
  }

  /** Connections that the cloud has open now. */
  get sessions(): number {
    return this.#link?.sessions ?? 0;
  }

  #status() {
    const link = this.#link;
    const problem = this.#told === "" ? undefined : this.#told;
    return { open: link?.open === true, agreed: link?.agreed === true, sessions: this.sessions, problem };
  }

  async #run(): Promise<void> {
    const { logger, clock } = this.#deps;
    const { signal } = this;
    while (!signal.aborted) {
      this.#hurry = deferred();
      try {
        const lived = await this.#holdTunnel();
        if (lived >= STABLE_MS) this.#backoff.reset();
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) return;
        this.#tellOnce(toError(error).message);
      }
      const over = new AbortController();
      const waited = clock.sleep(this.#backoff.next(), AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([waited, this.#hurry.promise]);
      over.abort();
    }
    logger.debug({}, "tunnel closed");
  }

  /** @returns how long it lived, in ms. */
  async #holdTunnel(): Promise<number> {
    const { logger, identity, nodeIP } = this.#deps;
    const { server, nodeName, handshakeTimeoutMs } = this.#config;
    const tls = identity();
    if (tls === undefined) throw new Error("this node has no certificate yet: it has not joined");
    // Loaded when first needed: who never joins never pays for it.
    const { connectTunnel } = await import("@kedge/transport");
    const link = await connectTunnel(
      {
        server,
        nodeName,
        nodeIP: await nodeIP(),
        tls,
        handshakeTimeoutMs,
        logger,
        onConnect: (connection, type) => this.#serve(connection, type),
        onClose: (reason) => logger.info({ reason }, "the cloud closes the tunnel"),
      },
      this.signal,
    );
    const startMs = performance.now();
    this.#link = link;
    this.#told = "";
    logger.info({ server, agreed: link.agreed }, "tunnel to the cloud is open");
    const close = () => void link.close("the node's agent stops");
    this.signal.addEventListener("abort", close, { once: true });
    if (this.signal.aborted) close();
    const { reason, detail } = await link.closed;
    this.signal.removeEventListener("abort", close);
    this.#link = undefined;
    if (!this.signal.aborted) this.#tellOnce(`the tunnel to the cloud ended (${reason}): ${detail}`);
    return performance.now() - startMs;
  }

  #serve(connection: TunnelConnection, type: TunnelConnectType): void {
    const { answerKubelet, logger } = this.#deps;
    const isUpgrade = type === TunnelFrameType.execConnect || type === TunnelFrameType.attachConnect;
    void serveConnection(connection, { answerKubelet, logger, isUpgrade });
  }

  /** A cloud without a tunnel server would fill the log. */
  #tellOnce(message: string): void {
    if (message === this.#told) return;
    this.#told = message;
    this.#deps.logger.warn({ server: this.#config.server, cause: message }, "no tunnel to the cloud: trying again");
  }

  protected override async stop(): Promise<void> {
    this.#listener?.[Symbol.dispose]();
    this.#answers?.[Symbol.dispose]();
    this.#hurry.resolve();
    await this.#loop;
  }
}
