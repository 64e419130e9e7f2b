import type { Counter, Histogram, Metrics } from "@kedge/runtime";

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

  constructor(metrics: Metrics) {
    const name = (rest: string) => `kedge_cloudhub_${rest}`;
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
