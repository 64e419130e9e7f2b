import { PODS } from "@kedge/kube";
import { sleeper, type TestBed } from "../test/e2e/test-bed.ts";
import { percentile, type Report } from "./report.ts";
import { StreamClient } from "./stream-client.ts";

const ROUNDS = 30;
const AT_ONCE = 10;
const WAIT_MS = 60_000;

/** From dialling the API to a command's exit status: `true` in a container on the node. */
export async function execLatency(bed: TestBed, report: Report): Promise<void> {
  using client = new StreamClient(bed.cloud.kubeconfig);
  const name = "exec-target";
  await bed.cloud.kube.create(PODS, sleeper(name, bed.node.name), AbortSignal.timeout(WAIT_MS));
  await bed.podReady(name);
  const run = () => client.exec(name, ["true"]);
  await run();
  const alone: number[] = [];
  for (let round = 0; round < ROUNDS; round++) alone.push(await run());
  const figure = { bench: "exec-latency", unit: "ms" } as const;
  report({ ...figure, metric: "1 command, p50", value: percentile(alone, 0.5) });
  report({ ...figure, metric: "1 command, p99", value: percentile(alone, 0.99) });
  const together: number[] = [];
  for (let round = 0; round < 3; round++) together.push(...(await Promise.all(Array.from({ length: AT_ONCE }, run))));
  report({ ...figure, metric: `${AT_ONCE} commands at once, p50`, value: percentile(together, 0.5) });
}
