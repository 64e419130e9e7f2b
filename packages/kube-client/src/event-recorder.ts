import { apiVersionOf, type Event, EVENTS, type KubeObject, type ResourceType } from "@kedge/kube";
import {
  Backoff,
  type Clock,
  Component,
  hasCode,
  isRetryable,
  type Logger,
  systemClock,
  toError,
} from "@kedge/runtime";
import { EventCorrelator } from "./event-correlator.ts";
import type { KubeClient } from "./kube-client.ts";

/** Events that wait to be sent; further ones are dropped: they inform people and must not hurt programs. */
export const EVENTS_WAITING_MAX = 1_000;
const EVENT_TRIES_MAX = 4;
const EVENT_MESSAGE_CHARACTERS_MAX = 1_024;

export interface EventRecorderOptions {
  /** Who says it, such as `deployment-controller`. */
  readonly component: string;
  /** On which host; absent for parts of the control plane. */
  readonly host?: string | undefined;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

/** Tells users, in `kubectl describe`, what happened to an object. Repetitions are counted in one Event. */
export class EventRecorder extends Component {
  readonly #kube: KubeClient;
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #correlator: EventCorrelator;
  readonly #waiting: Event[] = [];
  #sending: Promise<void> | undefined;
  #dropped = 0;

  constructor(kube: KubeClient, options: EventRecorderOptions) {
    super();
    this.#kube = kube;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#correlator = new EventCorrelator(this.#clock);
  }

  /** Returns at once; sent in the background, in order, or dropped when too many wait. */
  record<T extends KubeObject>(
    about: ResourceType<T>,
    object: T,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
  ): void {
    if (this.signal.aborted) return;
    const event = this.#correlator.correlate(this.#eventOf(about, object, type, reason, message));
    if (event === undefined) return;
    if (this.#waiting.length >= EVENTS_WAITING_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(event);
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  #eventOf(about: ResourceType, object: KubeObject, type: string, reason: string, message: string): Event {
    const { component, host } = this.#options;
    const { name = "", namespace, uid, resourceVersion } = object.metadata ?? {};
    const now = new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    return {
      metadata: { name: "", namespace: namespace ?? "default" },
      involvedObject: {
        apiVersion: apiVersionOf(about),
        kind: about.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type,
      reason,
      message: message.slice(0, EVENT_MESSAGE_CHARACTERS_MAX),
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: host === undefined ? { component } : { component, host },
      reportingComponent: component,
      reportingInstance: host ?? "",
    };
  }

  async #sendAll(): Promise<void> {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      try {
        await this.#send(event);
      } catch (error) {
        if (this.signal.aborted) return;
        const facts = { reason: event.reason, involved: event.involvedObject.name, error: toError(error) };
        this.#options.logger.debug(facts, "event not recorded");
      }
    }
    if (this.#dropped === 0) return;
    this.#options.logger.warn({ dropped: this.#dropped }, "too many events at once, some were dropped");
    this.#dropped = 0;
  }

  async #send(event: Event): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000, jitter: 0.5 });
    for (;;) {
      try {
        await this.#sendOnce(event);
        return;
      } catch (error) {
        if (this.signal.aborted || !isRetryable(error)) throw error;
        const waitMs = backoff.next();
        if (backoff.failures >= EVENT_TRIES_MAX) throw error;
        await this.#clock.sleep(waitMs, this.signal);
      }
    }
  }

  async #sendOnce(event: Event): Promise<void> {
    const { name = "", namespace } = event.metadata;
    if (event.count !== undefined && event.count > 1) {
      const { count, lastTimestamp, message } = event;
      const patch = { type: "strategic" as const, body: { count, lastTimestamp, message } };
      try {
        await this.#kube.patch(EVENTS, { namespace, name }, patch, this.signal);
        return;
      } catch (error) {
        if (!hasCode(error, "NotFound")) throw error; // it was older than the server keeps events
      }
    }
    try {
      await this.#kube.create(EVENTS, event, this.signal);
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error; // an earlier try went through
    }
  }

  protected override async stop(): Promise<void> {
    this.#waiting.length = 0;
    await this.#sending;
  }
}
