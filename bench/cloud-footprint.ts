import { setTimeout as delay } from "node:timers/promises";
import type { TestBed } from "../test/e2e/test-bed.ts";
import { cpuSecondsOf, memoryOf } from "./footprint.ts";
import type { Report } from "./report.ts";

/** Memory and CPU of cloudcore, with one node and nothing to do for `seconds`. */
export async function cloudFootprint(bed: TestBed, report: Report, seconds: number, plane: string): Promise<void> {
  const pid = bed.cloud.pid ?? 0;
  const cpuBefore = cpuSecondsOf(pid);
  await delay(seconds * 1000); // the measurement is of time passing
  const cpuPercent = (100 * (cpuSecondsOf(pid) - cpuBefore)) / seconds;
  const { rssMb, privateMb, pssMb } = memoryOf(pid);
  const what = plane === "kubernetes" ? "cloudcore" : "control plane and cloudcore";
  const figure = { bench: "cloud-footprint", unit: "MB" } as const;
  report({ ...figure, metric: `RSS, ${what}`, value: rssMb, ...(plane === "kubernetes" && { target: 90 }) });
  report({ ...figure, metric: `private, ${what}`, value: privateMb });
  report({ ...figure, metric: `PSS, ${what}`, value: pssMb });
  report({ ...figure, metric: `CPU of a core, ${what}`, value: cpuPercent, unit: "%" });
}
