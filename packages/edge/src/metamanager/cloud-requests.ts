import { acknowledge, type Message, requiresAck } from "@kedge/protocol";
import { hasCode, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import { MetaError } from "./meta-error.ts";

/** Asks the cloud through EdgeHub. */
export class CloudRequests {
  readonly #bus: EdgeBus;
  readonly #timeoutMs: number;
  readonly #logger: Logger;

  constructor(bus: EdgeBus, timeoutMs: number, logger: Logger) {
    this.#bus = bus;
    this.#timeoutMs = timeoutMs;
    this.#logger = logger;
  }

  /** @throws `NotConnected`, `Timeout` */
  async ask(message: Message, signal: AbortSignal): Promise<Message> {
    try {
      return await this.#bus.request("hub/request", { message, timeoutMs: this.#timeoutMs }, signal);
    } catch (error) {
      // Without EdgeHub, or while it is not up yet, the cloud is simply away.
      if (!hasCode(error, "NoAnswerer")) throw error;
      throw new MetaError(
        "the cloud cannot be asked: EdgeHub does not run",
        { code: "NotConnected" },
        { cause: error },
      );
    }
  }

  /** Tells the cloud that its answer is stored, if it repeats such answers until told. */
  async acknowledge(reply: Message, signal: AbortSignal): Promise<void> {
    if (!requiresAck(reply)) return;
    try {
      await this.#bus.request("hub/send", acknowledge(reply), signal);
    } catch (error) {
      this.#logger.warn(
        { resource: reply.route.resource, error: toError(error) },
        "answer stored but not acknowledged",
      );
    }
  }
}
