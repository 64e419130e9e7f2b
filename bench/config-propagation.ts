import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CONFIG_MAPS, PODS } from "@kedge/kube";
import { NAMESPACE, sleeper, type TestBed } from "../test/e2e/test-bed.ts";
import { percentile, type Report } from "./report.ts";

const ROUNDS = 10;
const LOOK_EVERY_MS = 2;

/** From the API having accepted a ConfigMap's change to the mounted file having the new content. */
export async function configPropagation(bed: TestBed, report: Report): Promise<void> {
  const { kube } = bed.cloud;
  const signal = AbortSignal.timeout(180_000);
  const name = "propagated";
  await kube.create(CONFIG_MAPS, { metadata: { name, namespace: NAMESPACE }, data: { round: "none" } }, signal);
  const [main] = sleeper("", bed.node.name).spec?.containers ?? [];
  await kube.create(
    PODS,
    sleeper(name, bed.node.name, {
      containers: [{ ...main, name: "main", volumeMounts: [{ name: "config", mountPath: "/config" }] }],
      volumes: [{ name: "config", configMap: { name } }],
    }),
    signal,
  );
  const pod = await bed.podReady(name);
  const folder = join(bed.node.kubelet, "pods", pod.metadata?.uid ?? "", "volumes/kubernetes.io~configmap/config");
  const elapsed: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const body = { data: { round: String(round) } };
    await kube.patch(CONFIG_MAPS, { namespace: NAMESPACE, name }, { type: "merge", body }, signal);
    while ((await readFile(join(folder, "round"), "utf8").catch(() => "")) !== String(round)) {
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
    elapsed.push(performance.now() - started);
  }
  const figure = { bench: "config-propagation", unit: "ms" } as const;
  report({ ...figure, metric: "ConfigMap change → mounted file, p50", value: percentile(elapsed, 0.5), target: 2000 });
  report({ ...figure, metric: "ConfigMap change → mounted file, max", value: Math.max(...elapsed), target: 2000 });
}
