import { type Informer, type Reconcile, runController, WorkQueue } from "@kedge/kube-client";
import type { KubeObject } from "@kedge/kube";
import { abortable, Component, hasCode, type Logger, toError } from "@kedge/runtime";
import type { ControllerContext } from "./controller-deps.ts";

/** A queue and the workers on it: they begin once the caches they decide from are filled. */
export class ControllerLoop extends Component {
  readonly queue: WorkQueue<string>;
  readonly #running: Promise<void>;
  readonly #handles = new DisposableStack();

  constructor(
    name: string,
    context: ControllerContext,
    caches: readonly { readonly synced: Promise<void> }[],
    reconcile: Reconcile<string>,
    workers = 1,
  ) {
    super();
    const logger = context.logger.child({ controller: name });
    this.queue = new WorkQueue({ clock: context.clock });
    this.#running = this.#run(caches, reconcile, logger, workers);
  }

  /** Queues the keys that a change of an object of this informer asks to look at. */
  on<T extends KubeObject>(
    informer: Informer<T>,
    keysOf: (old: T | undefined, object: T | undefined) => Iterable<string>,
  ): void {
    const handle = informer.onChange((old, object) => {
      for (const key of keysOf(old, object)) this.queue.add(key);
    });
    this.#handles.use(handle);
  }

  async #run(
    caches: readonly { readonly synced: Promise<void> }[],
    reconcile: Reconcile<string>,
    logger: Logger,
    workers: number,
  ): Promise<void> {
    try {
      await abortable(Promise.all(caches.map(({ synced }) => synced)), this.signal);
      await runController(this.queue, unlessGone(reconcile), logger, this.signal, workers);
    } catch (error) {
      if (!this.signal.aborted) logger.error({ error: toError(error) }, "controller ended");
    }
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    this.queue[Symbol.dispose]();
    await this.#running;
  }
}

/** What we worked on was deleted meanwhile: nothing is left to do, and nothing went wrong. */
function unlessGone(reconcile: Reconcile<string>): Reconcile<string> {
  return async (key, signal) => {
    try {
      return await reconcile(key, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return {};
      throw error;
    }
  };
}
