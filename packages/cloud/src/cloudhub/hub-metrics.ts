import type { MetricsRegistry } from "../metrics-registry.ts";

/** What CloudHub counts. */
export class HubMetrics {
  readonly #sent;
  readonly #acknowledged;
  readonly #retried;
  readonly #dropped;
  readonly #received;
  readonly #refused;

  constructor(registry: MetricsRegistry) {
    this.#sent = registry.counter("kedge_cloudhub_sent_total", "Messages for edges, by how they are sent.", "delivery");
    this.#acknowledged = registry.histogram(
      "kedge_cloudhub_acknowledged_seconds",
      "Time from the last transmission to the acknowledgement.",
      [0.005, 0.02, 0.1, 0.5, 2, 5],
    );
    this.#retried = registry.counter(
      "kedge_cloudhub_retransmissions_total",
      "Messages sent again without acknowledgement.",
    );
    this.#dropped = registry.counter("kedge_cloudhub_dropped_total", "Messages that an edge did not take.");
    this.#received = registry.counter("kedge_cloudhub_received_total", "Messages of edges, by where they go.", "to");
    this.#refused = registry.counter("kedge_cloudhub_refused_total", "Connections refused, by reason.", "reason");
  }

  sent(delivery: "acknowledged" | "once"): void {
    this.#sent.add(delivery);
  }

  acknowledged(afterMs: number): void {
    this.#acknowledged.observe(afterMs / 1000);
  }

  retried(): void {
    this.#retried.add();
  }

  dropped(): void {
    this.#dropped.add();
  }

  received(to: string): void {
    this.#received.add(to);
  }

  refused(reason: string): void {
    this.#refused.add(reason);
  }
}
