import type { ControlFrame } from "@kedge/protocol";
import { abortable } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import { HubError } from "./hub-error.ts";

/** Renewals that wait for the cloud's answer; the node asks for one at a time. */
export const LEASE_RENEWALS_MAX = 8;
/** Early enough for the long way, within the time that the node gives to one renewal. */
const ANSWER_MS = 4_000;
const REQUEST_NUMBERS = 2 ** 32;

/** Renews the node's lease in five bytes and an answer of five, through a cloud of ours. */
export class LeaseRenewals {
  readonly #link: WebSocketLink;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #last = 0;

  constructor(link: WebSocketLink) {
    this.#link = link;
    void link.closed.then(() => this.#end());
  }

  /**
   * @throws {HubError} `LeaseRefused`, `Timeout`, `QueueFull`, `NotConnected`: then only the long way can tell.
   */
  async renew(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= LEASE_RENEWALS_MAX)
      throw new HubError(`${LEASE_RENEWALS_MAX} renewals of the lease wait for the cloud already`, {
        code: "QueueFull",
        waiting: this.#waiting.size,
        waitingMax: LEASE_RENEWALS_MAX,
      });
    this.#last = (this.#last + 1) % REQUEST_NUMBERS;
    const request = this.#last;
    const answer = Promise.withResolvers<void>();
    this.#waiting.set(request, answer);
    const timer = setTimeout(() => answer.reject(timedOut()), ANSWER_MS);
    try {
      await Promise.all([this.#link.sendControl({ kind: "renewLease", request }), abortable(answer.promise, signal)]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(request);
      answer.resolve(); // nobody waits for it any more, whatever became of it
    }
  }

  /** An answer that nobody waits for any more says nothing. */
  answered(frame: ControlFrame): void {
    if (frame.kind === "leaseRenewed") this.#waiting.get(frame.request)?.resolve();
    else if (frame.kind === "leaseRefused") this.#waiting.get(frame.request)?.reject(refused(frame.reason));
  }

  #end(): void {
    const error = new HubError("the connection ended before the lease was renewed", { code: "NotConnected" });
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

function refused(reason: string): HubError {
  return new HubError(`the cloud did not renew the node's lease: ${reason}`, { code: "LeaseRefused", reason });
}

function timedOut(): HubError {
  return new HubError(`the cloud did not say within ${ANSWER_MS} ms that it renewed the node's lease`, {
    code: "Timeout",
    resource: "kube-node-lease/lease",
    timeoutMs: ANSWER_MS,
  });
}
