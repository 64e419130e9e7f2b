/** One measured figure; `./kedge bench` prints each as a JSON line. */
export interface Figure {
  readonly bench: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: "ms" | "s" | "MB" | "%" | "KB" | "KB/min" | "MB/day" | "MB/s" | "1";
  /** What docs/PERFORMANCE.md promises; absent where a figure is for information. */
  readonly target?: number;
}

export type Report = (figure: Figure) => void;

/** Prints a figure rounded to what can be trusted of it. */
export const printFigure: Report = ({ value, ...figure }) => {
  const rounded = Number(value.toPrecision(4));
  console.log(
    JSON.stringify({
      bench: figure.bench,
      metric: figure.metric,
      value: rounded,
      unit: figure.unit,
      target: figure.target ?? null,
    }),
  );
};

/** @param share 0.5: the median. @param values at least one */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1);
  return sorted[Math.max(0, index)] ?? Number.NaN;
}
