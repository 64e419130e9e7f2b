/** A host that boots with a wrong clock and without the cloud: every pod comes back all the same. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PODS } from "@kedge/kube";
import { NAMESPACE, sleeper, TestBed } from "./test-bed.ts";
import { startEmbeddedCloud, waitForNode } from "./test-cloud.ts";
import { type EdgeProgram, OUR_EDGE, TestEdgeNode } from "./test-edge-node.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-clocks";
const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const skip = TestEdgeNode.missing() || (existsSync(FAKETIME) ? false : `needs ${FAKETIME}: apt-get install faketime`);
const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** The agent on a host whose clock is off; what it waits for takes as long as ever. */
const off =
  (days: number): EdgeProgram =>
  (config) => [
    // Not by its own program, which would stay between us and the agent.
    "env",
    `LD_PRELOAD=${FAKETIME}`,
    `FAKETIME=${days > 0 ? "+" : ""}${days}d`,
    "DONT_FAKE_MONOTONIC=1",
    ...OUR_EDGE(config),
  ];

describe("a clock that is wrong after a power cut", { skip, timeout: 240_000 }, () => {
  let bed: TestBed;
  const signal = () => AbortSignal.timeout(60_000);
  const key = (name: string) => ({ namespace: NAMESPACE, name });
  const NAMES = ["tokened", "never", `fixed-${NODE}`];

  before(async () => {
    bed = await TestBed.start(startEmbeddedCloud, NODE);
    await bed.cloud.kube.create(PODS, sleeper("tokened", NODE, { automountServiceAccountToken: true }), signal());
    await bed.cloud.kube.create(PODS, sleeper("never", NODE, { activeDeadlineSeconds: 100_000_000 }), signal());
    const { spec, ...pod } = sleeper("fixed", NODE);
    await writeFile(
      join(bed.node.manifests, "fixed.json"),
      JSON.stringify({ ...pod, spec: { ...spec, nodeName: undefined } }),
    );
    for (const name of NAMES) await bed.podReady(name);
  });
  after(async () => bed?.[Symbol.asyncDispose]());

  test("with the cloud there, and a clock that is right, all pods return, once each", async () => {
    const before = await bed.containerIds();
    const restarts = new Map<string, number>();
    for (const name of NAMES)
      restarts.set(name, (await bed.podReady(name)).status?.containerStatuses?.[0]?.restartCount ?? 0);
    await bed.node.pullPlug();
    await bed.node.boot();
    for (const name of NAMES)
      await waitForObject(bed.cloud.kube, PODS, key(name), (found) => {
        const [status] = found?.status?.containerStatuses ?? [];
        return status?.ready === true && status.restartCount === (restarts.get(name) ?? 0) + 1;
      });
    assert.equal((await bed.containerIds()).length, before.length);
    await waitForNode(bed.cloud.kube, NODE, "True");
  });

  for (const days of [90, -90])
    test(`${days} days: with tokens of another time and no cloud, all pods return, once each`, async () => {
      const pod = await bed.podReady("tokened");
      const token = await bed.exec(pod, "main", ["cat", TOKEN]);
      const before = await bed.containerIds();
      await bed.cloud.kill();
      await bed.node.pullPlug();
      await bed.node.containerd.startDaemon();
      await bed.node.startAgent(off(days));
      for (const name of NAMES) await bed.node.containerStarts({ "io.kubernetes.pod.name": name });
      assert.equal(await bed.exec(pod, "main", ["cat", TOKEN]), token, "W-16: an old token is better than none");
      const running = await bed.containerIds();
      assert.equal(running.length, before.length);
      // The clock is put right, the cloud is back: nothing is started twice.
      await bed.node.killAgent();
      await bed.node.startAgent(OUR_EDGE);
      await bed.cloud.start();
      await waitForNode(bed.cloud.kube, NODE, "True");
      for (const name of NAMES)
        await waitForObject(bed.cloud.kube, PODS, key(name), (found) => {
          const [status] = found?.status?.containerStatuses ?? [];
          return found?.status?.phase === "Running" && status?.ready === true && status.restartCount >= 1;
        });
      assert.deepEqual(await bed.containerIds(), running);
    });
});
