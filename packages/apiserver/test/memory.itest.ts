import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EVENTS, PODS } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { silentLogger, systemClock } from "@kedge/runtime";
import { startControllers } from "../src/index.ts";
import { startTestServer } from "./start-test-server.ts";

const NAMESPACE = "default";
const [WARM_UP, PODS_COUNT] = [300, 600];
const [STATUSES, EVENTS_OF_A_POD] = [4, 8];
/** What compiled code and half-filled pages make of it; a kept pod with its events would be 15 KB, together 9 MB. */
const GROWTH_MB_MAX = 4;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** The process may take more: V8 collects old garbage late. What lives must not grow. */
function liveMb(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

test("pods that come and go, with their events, leave nothing in memory", { timeout: 180_000 }, async () => {
  await using server = await startTestServer();
  await using kube = connectKube(loadKubeconfig(server.api.adminKubeconfigPath));
  const rootCaPem = readFileSync(join(server.stateDir, "pki/ca.crt"), "utf8");
  const deps = { kube, logger: silentLogger, clock: systemClock, rootCaPem };
  await using _ = await startControllers(deps, AbortSignal.timeout(30_000));
  await comeAndGo(kube, "warm", WARM_UP);
  const before = liveMb();
  await comeAndGo(kube, "pod", PODS_COUNT);
  const after = liveMb();
  assert.ok(after - before < GROWTH_MB_MAX, `grew from ${before.toFixed(1)} to ${after.toFixed(1)} MB`);
});

async function comeAndGo(kube: KubeClient, prefix: string, count: number): Promise<void> {
  const signal = AbortSignal.timeout(90_000);
  for (let at = 0; at < count; at += 1) {
    const key = { namespace: NAMESPACE, name: `${prefix}-${at}` };
    const spec = { nodeName: "edge", containers: [{ name: "main", image: "kedge.local/busybox:1" }] };
    await kube.create(PODS, { metadata: key, spec }, signal);
    for (let told = 0; told < STATUSES; told += 1) {
      const body = { status: { message: String(told) } };
      await kube.patch(PODS, key, { type: "merge", body }, signal, { subresource: "status" });
    }
    for (let told = 0; told < EVENTS_OF_A_POD; told += 1)
      await kube.create(
        EVENTS,
        {
          metadata: { namespace: NAMESPACE, name: `${key.name}.${told}` },
          involvedObject: { kind: "Pod", ...key },
          reason: "Test",
          message: "as long as such messages often are",
          type: "Normal",
          source: {},
        },
        signal,
      );
    await kube.delete(PODS, key, signal, { gracePeriodSeconds: 0 });
  }
}
