import { PODS } from "@kedge/kube";
import { NAMESPACE, sleeper, type TestBed } from "../test/e2e/test-bed.ts";
import { waitForObject } from "../test/e2e/wait-for-object.ts";
import { percentile, type Report } from "./report.ts";

const SINGLE_ROUNDS = 10;
const BATCH = 20;
const BATCH_ROUNDS = 3;

/** From the API having accepted pods to it showing all of them Running; the image is on the node. */
export async function podStart(bed: TestBed, report: Report): Promise<void> {
  await startPods(bed, ["warm-up"]);
  const singles: number[] = [];
  for (let round = 0; round < SINGLE_ROUNDS; round += 1) singles.push(await startPods(bed, [`single-${round}`]));
  const batches: number[] = [];
  for (let round = 0; round < BATCH_ROUNDS; round += 1)
    batches.push(
      await startPods(
        bed,
        Array.from({ length: BATCH }, (_, index) => `batch-${round}-${index}`),
      ),
    );
  const figure = { bench: "pod-start", unit: "ms" } as const;
  report({ ...figure, metric: "1 pod, p50", value: percentile(singles, 0.5), target: 800 });
  report({ ...figure, metric: "20 pods at once, p50", value: percentile(batches, 0.5), target: 3000 });
}

/** @returns ms until all run; they are gone again when this resolves. */
async function startPods(bed: TestBed, names: readonly string[]): Promise<number> {
  const { kube } = bed.cloud;
  const signal = AbortSignal.timeout(120_000);
  const started = performance.now();
  const running = names.map(async (name) => {
    await kube.create(PODS, sleeper(name, bed.node.name), signal);
    await waitForObject(kube, PODS, { namespace: NAMESPACE, name }, (pod) => pod?.status?.phase === "Running");
  });
  await Promise.all(running);
  const elapsed = performance.now() - started;
  await Promise.all(
    names.map(async (name) => {
      await kube.delete(PODS, { namespace: NAMESPACE, name }, signal);
      await waitForObject(kube, PODS, { namespace: NAMESPACE, name }, (pod) => pod === undefined);
    }),
  );
  return elapsed;
}
