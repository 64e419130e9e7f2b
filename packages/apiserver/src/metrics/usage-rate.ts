import type { UsageSample } from "./parse-resource-metrics.ts";

/** As `metrics.k8s.io` shows it. */
export interface Usage {
  readonly cpu: string;
  readonly memory: string;
}

/** What something uses between two looks; undefined: they are not two, or it began anew between them. */
export function usageBetween(before: UsageSample | undefined, now: UsageSample | undefined): Usage | undefined {
  if (before === undefined || now === undefined) return undefined;
  const [seconds, used] = [(now.atMs - before.atMs) / 1000, now.cpuSeconds - before.cpuSeconds];
  if (seconds <= 0 || used < 0) return undefined;
  return { cpu: `${Math.round((used / seconds) * 1e9)}n`, memory: `${Math.round(now.memoryBytes / 1024)}Ki` };
}
