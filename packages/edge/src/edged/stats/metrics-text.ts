/** One series of Prometheus' text format. */
export interface Series {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** When it was measured. */
  readonly atMs?: number | undefined;
}

export function metricsText(series: readonly Series[]): string {
  return series
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(({ labels = {}, value, atMs }) => {
        const inside = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`);
        const time = atMs === undefined ? "" : ` ${Math.round(atMs)}`;
        return `${name}${inside.length === 0 ? "" : `{${inside.join(",")}}`} ${value}${time}\n`;
      });
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
