import { Metrics } from "@kedge/runtime";
import type { TrafficHook } from "@kedge/transport";

/** What EdgeHub counts, in Prometheus' terms. */
export class HubMetrics {
  readonly #metrics = new Metrics();
  readonly #traffic = this.#metrics.counter({
    name: "kedge_edge_traffic_bytes_total",
    help: "Bytes on the link to the cloud, with WebSocket's headers, by type of resource.",
    labels: ["direction", "resource"],
  });
  readonly #sessions = this.#metrics.counter({
    name: "kedge_edge_sessions_total",
    help: "Connections to the cloud; agreed: to a cloud of ours.",
    labels: ["agreed"],
  });
  readonly #sent = this.#metrics.counter({
    name: "kedge_edge_outbox_sent_total",
    help: "Messages of the outbox given to a link; again: an earlier link may have carried it.",
    labels: ["again"],
  });
  readonly #renewals = this.#metrics.counter({
    name: "kedge_edge_lease_renewals_total",
    help: "Renewals of the node's lease asked of a cloud of ours, by what came of it.",
    labels: ["result"],
  });
  readonly onTraffic: TrafficHook = (direction, resource, bytes) => this.#traffic.add(bytes, { direction, resource });

  connected(agreed: boolean): void {
    this.#sessions.increment({ agreed: String(agreed) });
  }

  sent(again: boolean): void {
    this.#sent.increment({ again: String(again) });
  }

  renewed(result: "renewed" | "failed"): void {
    this.#renewals.increment({ result });
  }

  render(): string {
    return this.#metrics.render();
  }
}
