import { STORAGE_CLASSES } from "@kedge/kube";
import { Backoff, Component, hasCode, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { localPathClass } from "./local-path.ts";

const RETRY = { initialMs: 500, maxMs: 60_000 };

/** Makes the StorageClass of this machine's directories at the start, if it is not there; whoever changed it has it so. */
class DefaultClass extends Component {
  readonly #running: Promise<void>;

  constructor(context: ControllerContext) {
    super();
    this.#running = this.#run(context);
  }

  async #run({ kube, clock, logger }: ControllerContext): Promise<void> {
    const backoff = new Backoff(RETRY);
    while (!this.signal.aborted) {
      try {
        await kube.create(STORAGE_CLASSES, localPathClass(), this.signal);
        return;
      } catch (error) {
        if (this.signal.aborted || hasCode(error, "AlreadyExists")) return;
        logger.warn({ error: toError(error) }, "the default StorageClass is not there yet");
        await clock.sleep(backoff.next(), this.signal).catch(() => undefined);
      }
    }
  }

  protected override async stop(): Promise<void> {
    await this.#running;
  }
}

/** Nothing where this machine's directories are not to be given away. */
export function startDefaultClass(context: ControllerContext): AsyncDisposable {
  if (context.localPath === undefined) return new AsyncDisposableStack();
  return new DefaultClass(context);
}
