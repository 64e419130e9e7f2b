import type { Counter, Histogram, Metrics } from "@kedge/runtime";
import type { ServerLoad, TrafficHook } from "@kedge/transport";

/** What CloudHub counts. */
export class HubMetrics {
  readonly #sent: Counter<"delivery">;
  readonly #acknowledged: Histogram;
  readonly #retried: Counter;
  readonly #dropped: Counter;
  readonly #received: Counter<"to">;
  readonly #refused: Counter<"reason">;
  readonly #known: Counter;
  readonly #repeated: Counter;
  readonly #traffic: Counter<"direction" | "resource">;
  readonly onTraffic: TrafficHook = (direction, resource, bytes) => this.#traffic.add(bytes, { direction, resource });

  /** @param load of port 10000, whenever it is asked for. */
  constructor(metrics: Metrics, load: () => ServerLoad) {
    const name = (rest: string) => `kedge_cloudhub_${rest}`;
    this.#traffic = metrics.counter({
      name: name("traffic_bytes_total"),
      help: "Bytes on the links to edges, with WebSocket's headers, by type of resource; in: what edges say.",
      labels: ["direction", "resource"],
    });
    metrics.gauge(
      { name: name("opening"), help: "Connections to port 10000 whose handshake is under way." },
      () => load().handshaking,
    );
    metrics.gauge(
      { name: name("waiting"), help: "Connections to port 10000 that wait for their handshake." },
      () => load().waiting,
    );
    metrics.gauge(
      { name: name("cut"), help: "Connections to port 10000 cut before they were links, since the start." },
      () => load().cut,
    );
    metrics.gauge(
      { name: name("sent_away"), help: "Sessions sent away with a time to return, since the start." },
      () => load().sentAway,
    );
    this.#sent = metrics.counter({
      name: name("sent_total"),
      help: "Messages for edges, by how they are sent.",
      labels: ["delivery"],
    });
    this.#acknowledged = metrics.histogram({
      name: name("acknowledged_seconds"),
      help: "Seconds from the last transmission to its acknowledgement.",
    });
    this.#retried = metrics.counter({
      name: name("retransmissions_total"),
      help: "Messages sent again, for lack of an acknowledgement.",
    });
    this.#dropped = metrics.counter({ name: name("dropped_total"), help: "Messages that an edge did not take." });
    this.#received = metrics.counter({
      name: name("received_total"),
      help: "Messages of edges, by where they go.",
      labels: ["to"],
    });
    this.#refused = metrics.counter({
      name: name("refused_total"),
      help: "Connections refused, by reason.",
      labels: ["reason"],
    });
    this.#known = metrics.counter({
      name: name("upstream_known_total"),
      help: "Numbered messages of edges that came again and were not done again.",
    });
    this.#repeated = metrics.counter({
      name: name("upstream_repeats_total"),
      help: "Numbered messages of edges that failed and are tried again.",
    });
  }

  /** A numbered message came again after it was done. */
  known(): void {
    this.#known.increment();
  }

  /** A numbered message must be worked on once more. */
  repeated(): void {
    this.#repeated.increment();
  }

  sent(delivery: "acknowledged" | "once"): void {
    this.#sent.increment({ delivery });
  }

  acknowledged(afterMs: number): void {
    this.#acknowledged.observe(afterMs / 1000);
  }

  retried(): void {
    this.#retried.increment();
  }

  dropped(): void {
    this.#dropped.increment();
  }

  received(to: string): void {
    this.#received.increment({ to });
  }

  refused(reason: string): void {
    this.#refused.increment({ reason });
  }
}
