import { randomUUID } from "node:crypto";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import type { StoredTwin } from "./stored-twin.ts";
import { twinDelta } from "./twin-delta.ts";
import { deviceTopic, membershipTopic } from "./twin-topics.ts";
import type { DeviceElement, MsgTwin, TwinDocumentEntry } from "./twin-payloads.ts";

/** Says on MQTT what happened. Publications leave in the order of the calls; none is waited for. */
export class TwinPublisher {
  readonly #bus: EdgeBus;
  readonly #node: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;

  constructor(bus: EdgeBus, node: string, clock: Clock, logger: Logger, signal: AbortSignal) {
    this.#bus = bus;
    this.#node = node;
    this.#clock = clock;
    this.#logger = logger;
    this.#signal = signal;
  }

  /** @param event id of the request that this answers; a fresh one where there was none. */
  device(device: string, topic: string, event: string | undefined, payload: object): void {
    this.#publish(deviceTopic(device, topic), event, payload);
  }

  membership(topic: string, event: string | undefined, payload: object): void {
    this.#publish(membershipTopic(this.#node, topic), event, payload);
  }

  /** A device that came or went. */
  membershipChange(change: { readonly added?: DeviceElement; readonly removed?: DeviceElement }): void {
    const { added, removed } = change;
    this.membership("updated", undefined, {
      added_devices: added === undefined ? null : [added],
      removed_devices: removed === undefined ? null : [removed],
    });
  }

  document(device: string, event: string | undefined, entries: ReadonlyMap<string, TwinDocumentEntry>): void {
    if (entries.size > 0)
      this.device(device, "twin/update/document", event, { twin: Object.fromEntries(sorted(entries)) });
  }

  /** What is not yet as expected, if anything. @param twins all of the device. */
  delta(device: string, twins: readonly StoredTwin[]): void {
    const delta = twinDelta(twins);
    if (delta !== undefined) this.device(device, "twin/update/delta", undefined, delta);
  }

  result(device: string, event: string, results: ReadonlyMap<string, MsgTwin | null>): void {
    this.device(device, "twin/update/result", event, { twin: Object.fromEntries(sorted(results)) });
  }

  #publish(topic: string, event: string | undefined, payload: object): void {
    if (!this.#bus.answers("bus/publish")) return; // no EventBus on this node: nobody to tell
    const text = JSON.stringify({ event_id: event ?? randomUUID(), timestamp: this.#clock.now(), ...payload });
    this.#bus.request("bus/publish", { topic, payload: text }, this.#signal).catch((error: unknown) => {
      if (!this.#signal.aborted) this.#logger.warn({ topic, error: toError(error) }, "publication lost");
    });
  }
}

/** As Go writes maps. */
function sorted<T>(entries: ReadonlyMap<string, T>): [string, T][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
