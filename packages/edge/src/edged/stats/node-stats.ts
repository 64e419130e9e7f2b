import { cpus, totalmem, uptime } from "node:os";
import { cadvisorMetrics } from "./cadvisor-metrics.ts";
import { type NodeUsage, UsageCollector, type UsageSources } from "./collect-usage.ts";
import { resourceMetrics } from "./resource-metrics.ts";
import { type SummarySources, summaryOf } from "./summary.ts";

/** Two scrapes at once need not be measured twice. */
const FRESH_MS = 500;

/** What this node's pods take, in the forms in which a kubelet tells it; measured when somebody asks. */
export class NodeStats {
  readonly #sources: UsageSources & SummarySources;
  readonly #collector: UsageCollector;
  #last: { readonly atMs: number; readonly usage: Promise<NodeUsage> } | undefined;

  constructor(sources: UsageSources & SummarySources) {
    this.#sources = sources;
    this.#collector = new UsageCollector(sources);
  }

  /** `/stats/summary` */
  async summary(options: { readonly onlyCpuAndMemory: boolean }, signal: AbortSignal): Promise<object> {
    return summaryOf(await this.#usage(signal), this.#sources, options, signal);
  }

  /** `/metrics/resource`: what metrics-server reads. */
  async resourceMetrics(signal: AbortSignal): Promise<string> {
    return resourceMetrics(await this.#usage(signal));
  }

  /** `/metrics/cadvisor`: of cAdvisor's series those that can be had cheaply. */
  async cadvisorMetrics(signal: AbortSignal): Promise<string> {
    const machine = { cpus: cpus().length, memoryBytes: totalmem(), bootMs: Date.now() - uptime() * 1000 };
    return cadvisorMetrics(await this.#usage(signal), machine);
  }

  #usage(signal: AbortSignal): Promise<NodeUsage> {
    const nowMs = performance.now();
    if (this.#last === undefined || nowMs - this.#last.atMs > FRESH_MS) {
      const usage = this.#collector.collect(AbortSignal.any([AbortSignal.timeout(COLLECT_MS)]));
      usage.catch(() => (this.#last = undefined));
      this.#last = { atMs: nowMs, usage };
    }
    signal.throwIfAborted();
    return this.#last.usage;
  }
}

/** A runtime that is away must not keep scrapers waiting. */
const COLLECT_MS = 15_000;
