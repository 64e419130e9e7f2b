/**
 * A small Prometheus registry, for programs that must not pay for a large one: counters, gauges and histograms with
 * bounded label sets, and their text.
 */
import { CodedError } from "./coded-error.ts";

/** Label sets of one metric; beyond it, all others are counted together under {@link OVERFLOW}. */
export const METRIC_SERIES_MAX = 256;
/** Value of every label of the series that stands for those beyond {@link METRIC_SERIES_MAX}. */
export const OVERFLOW = "other";

export class MetricsError extends CodedError<
  { readonly code: "BadMetricName"; readonly name: string } | { readonly code: "MetricExists"; readonly name: string }
> {}

export interface MetricOptions<L extends string> {
  readonly name: string;
  /** One sentence, with the unit. */
  readonly help: string;
  readonly labels?: readonly L[];
}

type LabelValues<L extends string> = Readonly<Record<L, string>>;
type Labels<L extends string> = [L] extends [never] ? [] : [labels: LabelValues<L>];

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** What all kinds have in common: series by label values. */
abstract class Metric<L extends string, S> {
  readonly name: string;
  readonly #help: string;
  readonly #type: string;
  readonly #labels: readonly L[];
  readonly #series = new Map<string, S>();

  constructor({ name, help, labels = [] }: MetricOptions<L>, type: string) {
    for (const word of [name, ...labels])
      if (!NAME.test(word))
        throw new MetricsError(`${JSON.stringify(word)} cannot name a metric or label`, {
          code: "BadMetricName",
          name: word,
        });
    this.name = name;
    this.#help = help;
    this.#type = type;
    this.#labels = labels;
    if (labels.length === 0) this.#series.set("", this.create());
  }

  protected abstract create(): S;
  protected abstract renderSeries(series: S, labels: string): string[];

  protected series(values: Labels<L>): S {
    const [given] = values as [LabelValues<L>?];
    const key = this.#labels.map((label) => `${label}="${escapeLabel(given?.[label] ?? "")}"`).join(",");
    const found = this.#series.get(key);
    if (found !== undefined) return found;
    const room = this.#series.size < METRIC_SERIES_MAX;
    const kept = room ? key : this.#labels.map((label) => `${label}="${OVERFLOW}"`).join(",");
    const series = this.#series.get(kept) ?? this.create();
    this.#series.set(kept, series);
    return series;
  }

  /** Forgets all series, for values that are computed anew each time. */
  clear(): void {
    this.#series.clear();
    if (this.#labels.length === 0) this.#series.set("", this.create());
  }

  render(): string {
    const lines = [`# HELP ${this.name} ${escapeHelp(this.#help)}`, `# TYPE ${this.name} ${this.#type}`];
    for (const [labels, series] of this.#series) lines.push(...this.renderSeries(series, labels));
    return lines.join("\n");
  }
}

/** Only grows. */
export class Counter<L extends string = never> extends Metric<L, { value: number }> {
  constructor(options: MetricOptions<L>) {
    super(options, "counter");
  }

  /** @param by at least 0. */
  add(by: number, ...labels: Labels<L>): void {
    if (!(by >= 0)) throw new RangeError(`counter ${this.name} cannot grow by ${by}`);
    this.series(labels).value += by;
  }

  increment(...labels: Labels<L>): void {
    this.add(1, ...labels);
  }

  protected override create(): { value: number } {
    return { value: 0 };
  }

  protected override renderSeries({ value }: { value: number }, labels: string): string[] {
    return [sample(this.name, labels, value)];
  }
}

/** Goes up and down. */
export class Gauge<L extends string = never> extends Metric<L, { value: number }> {
  readonly #read: (() => number) | undefined;

  /** @param read tells the value whenever it is asked for; for a gauge without labels. */
  constructor(options: MetricOptions<L>, read?: () => number) {
    super(options, "gauge");
    this.#read = read;
  }

  set(value: number, ...labels: Labels<L>): void {
    this.series(labels).value = value;
  }

  add(by: number, ...labels: Labels<L>): void {
    this.series(labels).value += by;
  }

  protected override create(): { value: number } {
    return { value: 0 };
  }

  protected override renderSeries({ value }: { value: number }, labels: string): string[] {
    return [sample(this.name, labels, this.#read?.() ?? value)];
  }
}

interface Distribution {
  /** How many were at most the bound of the same index; not cumulative. */
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Seconds, from a fast answer to a slow one. */
export const DURATION_BOUNDS_SECONDS: readonly number[] = [0.001, 0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];

/** Counts values by size. */
export class Histogram<L extends string = never> extends Metric<L, Distribution> {
  readonly #bounds: readonly number[];

  /** @param bounds upper ends of the buckets, ascending; +Inf is added. */
  constructor(options: MetricOptions<L>, bounds: readonly number[] = DURATION_BOUNDS_SECONDS) {
    super(options, "histogram");
    this.#bounds = bounds;
  }

  observe(value: number, ...labels: Labels<L>): void {
    const series = this.series(labels);
    const index = this.#bounds.findIndex((bound) => value <= bound);
    if (index !== -1) series.counts[index] = (series.counts[index] ?? 0) + 1;
    series.sum += value;
    series.count += 1;
  }

  protected override create(): Distribution {
    return { counts: [], sum: 0, count: 0 };
  }

  protected override renderSeries({ counts, sum, count }: Distribution, labels: string): string[] {
    const comma = labels === "" ? "" : ",";
    let below = 0;
    const buckets = this.#bounds.map((bound, index) => {
      below += counts[index] ?? 0;
      return sample(`${this.name}_bucket`, `${labels}${comma}le="${bound}"`, below);
    });
    return [
      ...buckets,
      sample(`${this.name}_bucket`, `${labels}${comma}le="+Inf"`, count),
      sample(`${this.name}_sum`, labels, sum),
      sample(`${this.name}_count`, labels, count),
    ];
  }
}

/** `Content-Type` of {@link Metrics.render}. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** All metrics of one program. */
export class Metrics {
  readonly #metrics = new Map<string, { render(): string }>();

  counter<L extends string = never>(options: MetricOptions<L>): Counter<L> {
    return this.#register(options.name, new Counter(options));
  }

  gauge<L extends string = never>(options: MetricOptions<L>, read?: () => number): Gauge<L> {
    return this.#register(options.name, new Gauge(options, read));
  }

  histogram<L extends string = never>(options: MetricOptions<L>, bounds?: readonly number[]): Histogram<L> {
    return this.#register(options.name, new Histogram(options, bounds));
  }

  /** Prometheus' text format. */
  render(): string {
    return [...this.#metrics.values()].map((metric) => `${metric.render()}\n`).join("");
  }

  #register<M extends { render(): string }>(name: string, metric: M): M {
    if (this.#metrics.has(name))
      throw new MetricsError(`there are two metrics called ${name}`, { code: "MetricExists", name });
    this.#metrics.set(name, metric);
    return metric;
  }
}

function sample(name: string, labels: string, value: number): string {
  const text = value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
  return labels === "" ? `${name} ${text}` : `${name}{${labels}} ${text}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
