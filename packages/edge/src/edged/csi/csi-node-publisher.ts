import type { CSINode } from "@kedge/kube";
import { Backoff, type Clock, Component, hasCode, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import type { CsiDrivers } from "./csi-drivers.ts";

export interface CsiNodePublisherDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly nodeName: string;
  readonly drivers: CsiDrivers;
  /** Resolves once all plugins that were there at the start were asked. */
  readonly scanned: Promise<void>;
  /** Whether some of those that are there did not say yet who they are. */
  readonly hasPending: () => boolean;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;

/**
 * Keeps the node's CSINode as the drivers here make it, so that schedulers and provisioners know of them. That it cannot be
 * written is never fatal: pods run on, and it is written when it can be (W-10, W-24).
 */
export class CsiNodePublisher extends Component {
  readonly #deps: CsiNodePublisherDeps;
  readonly #wake = new WakeUp();
  readonly #handles = new DisposableStack();
  readonly #running: Promise<void>;

  constructor(deps: CsiNodePublisherDeps) {
    super();
    this.#deps = deps;
    this.#handles.use(deps.drivers.onChange(() => this.#wake.wake()));
    // The cloud may have lost it, or be another one.
    this.#handles.use(deps.bus.listen("hub/connection", ({ connected }) => connected && this.#wake.wake()));
    this.#running = this.#run();
  }

  /** The node was registered anew: its CSINode went with the old one. */
  publishSoon(): void {
    this.#wake.wake();
  }

  async #run(): Promise<void> {
    const { clock, logger, scanned } = this.#deps;
    const backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS, jitter: 0.3 });
    await scanned;
    while (!this.signal.aborted) {
      try {
        await this.#publish();
        backoff.reset();
        await this.#wake.wait(this.signal);
      } catch (error) {
        if (this.signal.aborted) return;
        // A stock cloud does not know of it; another one may, after the next connection.
        const lasting = hasCode(error, "NotSupported");
        logger.debug({ error: toError(error) }, "CSINode not published");
        const waited = lasting ? this.#wake.wait(this.signal) : this.#wake.waitOr(backoff.next(), clock, this.signal);
        await waited.catch(() => undefined); // it ends with the signal, which is looked at above
      }
    }
  }

  async #publish(): Promise<void> {
    const { bus, nodeName, drivers, hasPending } = this.#deps;
    const listed = drivers.all.map(({ listing }) => listing);
    const partial = hasPending();
    if (partial && listed.length === 0) return; // who was listed before may be about to come
    const csiNode: CSINode = { metadata: { name: nodeName }, spec: { drivers: listed } };
    await bus.request("meta/publishCsiNode", { csiNode, partial }, this.signal);
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    await this.#running;
  }
}
