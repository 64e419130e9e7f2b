/** What one look at a node tells: processor time grows, memory is what it is. */
export interface UsageSample {
  /** When the node measured it, ms since 1970. */
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

export interface NodeSamples {
  readonly node: UsageSample | undefined;
  /** By {@link containerKey}. */
  readonly containers: ReadonlyMap<string, UsageSample>;
}

/** Lines of one node that are read: its containers, six lines each. */
const LINES_MAX = 20_000;
const LINE = /^(\w+)(?:\{([^}]*)\})? ([0-9.eE+-]+)(?: (\d+))?$/;
const OF_INTEREST: Readonly<Record<string, "cpuSeconds" | "memoryBytes">> = {
  node_cpu_usage_seconds_total: "cpuSeconds",
  node_memory_working_set_bytes: "memoryBytes",
  container_cpu_usage_seconds_total: "cpuSeconds",
  container_memory_working_set_bytes: "memoryBytes",
};

export function containerKey(namespace: string, pod: string, container: string): string {
  return `${namespace}/${pod}/${container}`;
}

/**
 * Reads what a kubelet's `/metrics/resource` says of processor and memory.
 *
 * @param nowMs stands in for a time that a line does not give.
 */
export function parseResourceMetrics(text: string, nowMs: number): NodeSamples {
  const found = new Map<string, { atMs: number; cpuSeconds?: number; memoryBytes?: number }>();
  for (const line of text.split("\n", LINES_MAX)) {
    const [, name = "", labels = "", value = "", at] = LINE.exec(line) ?? [];
    const figure = OF_INTEREST[name];
    if (figure === undefined || !Number.isFinite(Number(value))) continue;
    const key = name.startsWith("node_") ? "" : keyOfLabels(labels);
    if (key === undefined) continue;
    const sample = found.get(key) ?? { atMs: nowMs };
    found.set(key, sample);
    sample[figure] = Number(value);
    // Of both figures, the time of the one from which a rate is made.
    if (figure === "cpuSeconds" && at !== undefined) sample.atMs = Number(at);
  }
  const whole = new Map<string, UsageSample>();
  for (const [key, { atMs, cpuSeconds, memoryBytes }] of found)
    if (cpuSeconds !== undefined && memoryBytes !== undefined) whole.set(key, { atMs, cpuSeconds, memoryBytes });
  const node = whole.get("");
  whole.delete("");
  return { node, containers: whole };
}

function keyOfLabels(labels: string): string | undefined {
  const of = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1];
  const [namespace, pod, container] = [of("namespace"), of("pod"), of("container")];
  if (namespace === undefined || pod === undefined || container === undefined) return undefined;
  return containerKey(namespace, pod, container);
}
