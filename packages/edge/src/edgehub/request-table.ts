import type { Message } from "@kedge/protocol";
import { HubError } from "./hub-error.ts";

/** Questions that wait for the cloud's answer. */
export const REQUESTS_MAX = 1_024;

interface Waiter {
  readonly message: Message;
  sent: boolean;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Questions to the cloud, in the order in which they were asked. The waiter is there before the question is sent, so that
 * no answer can come too early (W36), and outlives a broken link for a while, in which the question is sent again.
 */
export class RequestTable {
  readonly #waiters = new Map<string, Waiter>();

  get size(): number {
    return this.#waiters.size;
  }

  /** @throws {HubError} `Timeout`, `QueueFull`, or what {@link failAll} was given; the signal's reason. */
  add(message: Message, timeoutMs: number, signal: AbortSignal): Promise<Message> {
    signal.throwIfAborted();
    if (this.#waiters.size >= REQUESTS_MAX)
      throw new HubError(`${REQUESTS_MAX} requests wait for the cloud's answer already`, {
        code: "QueueFull",
        waiting: this.#waiters.size,
        waitingMax: REQUESTS_MAX,
      });
    const id = message.header.msg_id;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const onAbort = () => reject(signal.reason as Error);
    const timer = setTimeout(() => reject(timedOut(message, timeoutMs)), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiters.set(id, { message, sent: false, resolve, reject });
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#waiters.delete(id);
    });
  }

  /** The oldest question that was not sent on this link; it counts as sent from now on. */
  takeUnsent(): Message | undefined {
    for (const waiter of this.#waiters.values()) {
      if (waiter.sent) continue;
      waiter.sent = true;
      return waiter.message;
    }
    return undefined;
  }

  /** The link broke: whatever has no answer must be sent again. */
  markAllUnsent(): void {
    for (const waiter of this.#waiters.values()) waiter.sent = false;
  }

  /** @returns whether somebody waited for it. */
  resolve(reply: Message): boolean {
    const waiter = this.#waiters.get(reply.header.parent_msg_id ?? "");
    waiter?.resolve(reply);
    return waiter !== undefined;
  }

  /** This question cannot be asked. */
  fail(message: Message, error: Error): void {
    this.#waiters.get(message.header.msg_id)?.reject(error);
  }

  failAll(error: Error): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
  }
}

function timedOut({ route }: Message, timeoutMs: number): HubError {
  const resource = route.resource ?? "";
  return new HubError(`the cloud did not answer the ${route.operation} of ${resource} within ${timeoutMs} ms`, {
    code: "Timeout",
    resource,
    timeoutMs,
  });
}
