import type { ProbeKind } from "./probe-state.ts";

export interface ProbeLabels {
  readonly probe_type: "Startup" | "Liveness" | "Readiness";
  readonly container: string;
  readonly pod: string;
  readonly namespace: string;
  readonly pod_uid: string;
}

export type ProbeResultLabel = "successful" | "failed" | "unknown";

/** Upper ends in seconds, as kubelets have them. */
const BUCKETS_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const PROBE_NAMES: Readonly<Record<ProbeKind, ProbeLabels["probe_type"]>> = {
  startup: "Startup",
  liveness: "Liveness",
  readiness: "Readiness",
};

/** What one probe has come to; it counts until it is disposed, with its pod. */
export class ProbeSeries implements Disposable {
  readonly labels: ProbeLabels;
  readonly #all: Set<ProbeSeries>;
  readonly totals: Partial<Record<ProbeResultLabel, number>> = {};
  /** Of the index' bucket alone, not cumulative. */
  readonly buckets: number[] = [];
  seconds = 0;
  timed = 0;

  constructor(labels: ProbeLabels, all: Set<ProbeSeries>) {
    this.labels = labels;
    this.#all = all;
    all.add(this);
  }

  /** @param seconds how long it took; failures are not timed. */
  count(result: ProbeResultLabel, seconds: number): void {
    this.totals[result] = (this.totals[result] ?? 0) + 1;
    if (result === "failed") return;
    const index = BUCKETS_SECONDS.findIndex((bound) => seconds <= bound);
    if (index !== -1) this.buckets[index] = (this.buckets[index] ?? 0) + 1;
    this.seconds += seconds;
    this.timed += 1;
  }

  [Symbol.dispose](): void {
    this.#all.delete(this);
  }
}

/** What kubelets serve at `/metrics/probes`; bounded by the pods that there are. */
export class ProbeMetrics {
  readonly #all = new Set<ProbeSeries>();

  series(labels: ProbeLabels): ProbeSeries {
    return new ProbeSeries(labels, this.#all);
  }

  /** Prometheus' text format. */
  render(): string {
    const lines = [
      "# HELP prober_probe_duration_seconds Duration in seconds for a probe response.",
      "# TYPE prober_probe_duration_seconds histogram",
    ];
    for (const series of this.#all) if (series.timed > 0) lines.push(...durations(series));
    lines.push(
      "# HELP prober_probe_total Cumulative number of a liveness, readiness or startup probe for a container by result.",
      "# TYPE prober_probe_total counter",
    );
    for (const { labels, totals } of this.#all)
      for (const [result, count] of Object.entries(totals))
        lines.push(`prober_probe_total{${text({ ...labels, result })}} ${count}`);
    return `${lines.join("\n")}\n`;
  }
}

function durations({ labels: all, buckets, seconds, timed }: ProbeSeries): string[] {
  const { pod_uid: _, ...labels } = all;
  const name = "prober_probe_duration_seconds";
  let below = 0;
  return [
    ...BUCKETS_SECONDS.map((bound, index) => {
      below += buckets[index] ?? 0;
      return `${name}_bucket{${text({ ...labels, le: String(bound) })}} ${below}`;
    }),
    `${name}_bucket{${text({ ...labels, le: "+Inf" })}} ${timed}`,
    `${name}_sum{${text(labels)}} ${seconds}`,
    `${name}_count{${text(labels)}} ${timed}`,
  ];
}

/** Names of pods and containers need no escaping: the API server allows letters, digits, dots and dashes. */
function text(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${value}"`)
    .join(",");
}
