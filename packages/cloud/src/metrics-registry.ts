/** Values of one label; more are gathered under `other`, so that a peer cannot fill our memory. */
const LABEL_VALUES_MAX = 64;

export interface Counter {
  add(labelValue?: string): void;
}

export interface Histogram {
  observe(value: number): void;
}

/** Counts in Prometheus' text format. A client library would cost 19 MB of memory for this. */
export class MetricsRegistry {
  readonly #metrics: (() => string)[] = [];

  /** @param read is asked when somebody looks. */
  gauge(name: string, help: string, read: () => number): void {
    this.#metrics.push(() => `${head(name, help, "gauge")}${name} ${read()}\n`);
  }

  counter(name: string, help: string, label?: string): Counter {
    const counts = new Map<string, number>();
    if (label === undefined) counts.set("", 0);
    this.#metrics.push(() => {
      const lines = [...counts].map(([value, count]) =>
        label === undefined ? `${name} ${count}\n` : `${name}{${label}="${escape(value)}"} ${count}\n`,
      );
      return head(name, help, "counter") + lines.join("");
    });
    return {
      add: (value = "") => {
        const known = counts.has(value) || counts.size < LABEL_VALUES_MAX ? value : "other";
        counts.set(known, (counts.get(known) ?? 0) + 1);
      },
    };
  }

  /** @param bounds upper ones, growing. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const counts = Array.from(bounds, () => 0);
    let [count, sum] = [0, 0];
    this.#metrics.push(() => {
      const lines = bounds.map((bound, at) => `${name}_bucket{le="${bound}"} ${counts[at] ?? 0}\n`);
      return `${head(name, help, "histogram")}${lines.join("")}${name}_bucket{le="+Inf"} ${count}\n${name}_sum ${sum}\n${name}_count ${count}\n`;
    });
    return {
      observe: (value) => {
        count += 1;
        sum += value;
        for (let at = bounds.length - 1; at >= 0 && value <= (bounds[at] ?? 0); at -= 1)
          counts[at] = (counts[at] ?? 0) + 1;
      },
    };
  }

  render(): string {
    return this.#metrics.map((render) => render()).join("");
  }
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
