import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { PODS, SECRETS } from "@kedge/kube";
import { NAMESPACE, sleeper, TestBed } from "../e2e/test-bed.ts";
import { type CloudProgram, kubernetesCloud, OUR_CLOUD, waitForNode } from "../e2e/test-cloud.ts";
import { type EdgeProgram, OUR_EDGE } from "../e2e/test-edge-node.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, key, signal } from "./check.ts";
import { createDevice, desire, Driver, reported } from "./device-checks.ts";
import { EdgeHost } from "./edge-host.ts";
import { containersGoOn, newPodHas, podComesAndGoes } from "./outage-checks.ts";
import { IMPATIENT } from "./pairs.ts";
import { STOCK_CLOUD, STOCK_CRDS, STOCK_EDGE } from "./stock-programs.ts";
import { createApp, filesBecome, runPod, setColour, setWord } from "./workload-checks.ts";

const TIMEOUT_MS = 300_000;

/** A pod of the node's own, in words that an API server writes otherwise: each agent must know it again. */
async function createStaticPod(bed: TestBed): Promise<void> {
  const { spec } = sleeper("own", bed.node.name);
  const [container] = spec?.containers ?? [];
  const resources = { requests: { cpu: "0.02" }, limits: { memory: "67108864" } };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "own", labels: { app: "own" }, annotations: { note: "of this node" } },
    spec: {
      hostNetwork: false,
      terminationGracePeriodSeconds: 1,
      containers: [{ ...container, resources, volumeMounts: [{ name: "scratch", mountPath: "/scratch" }] }],
      volumes: [{ name: "scratch", emptyDir: {} }],
    },
  };
  await writeFile(join(bed.node.manifests, "own.json"), JSON.stringify(pod));
  await bed.podReady(`own-${bed.node.name}`, BOTH_ENDS_MS);
}

/** One side is replaced on a running node: what ran goes on, and the new side knows what the old one did. */
export function describeSwap(): void {
  describe("swapping one side on a running node", { concurrency: 1 }, () => {
    const scope = new AsyncDisposableStack();
    let bed: TestBed;

    before(async () => {
      const host = scope.use(await EdgeHost.create());
      const options = { ...IMPATIENT, program: STOCK_EDGE, enter: host.enter };
      bed = scope.use(await TestBed.start(kubernetesCloud(STOCK_CLOUD, STOCK_CRDS), "edge-swapped", options));
      await createApp(bed);
      await createStaticPod(bed);
      await createDevice(bed);
    });
    after(() => scope.disposeAsync());

    /** Kills cloudcore and starts another; CA, certificates, token and what each node has acknowledged are in the cluster. */
    async function swapCloud(program: CloudProgram): Promise<void> {
      const ca = await authority();
      const records = await syncRecords();
      await bed.cloud.kill();
      await bed.cloud.start(program);
      assert.deepEqual(await authority(), ca);
      await waitForNode(bed.cloud.kube, bed.node.name, "True", BOTH_ENDS_MS);
      assert.deepEqual(
        (await syncRecords()).filter((name) => records.includes(name)),
        records,
      );
    }

    const authority = async () =>
      (await bed.cloud.kube.get(SECRETS, { namespace: "kubeedge", name: "casecret" }, signal())).data;

    const syncRecords = async (): Promise<string[]> => {
      const { items } = await bed.cloud.kube.list(OBJECT_SYNCS, { namespace: NAMESPACE }, signal());
      return items.map(({ metadata }) => metadata?.name ?? "").toSorted();
    };

    /** While the cloud is away and a container dies, so that the new agent has nothing but what the old one left. */
    async function swapEdge(program: EdgeProgram, mortal: string): Promise<void> {
      await runPod(bed, mortal);
      const labels = { "io.kubernetes.pod.name": mortal, "io.kubernetes.container.name": "main" };
      await bed.cloud.kill();
      await bed.node.killAgent();
      const [victim = ""] = await bed.containerIds(labels);
      await bed.node.containerd.client.runtime.stopContainer(victim, 0, signal());
      await containersGoOn(bed, async () => {
        await bed.node.startAgent(program);
        await bed.node.containerStarts(labels);
        await bed.cloud.start();
        const restarts = ({ restartCount = 0 }: { restartCount?: number }) => restartCount >= 1;
        await waitForObject(
          bed.cloud.kube,
          PODS,
          key(mortal),
          (pod) => pod?.status?.phase === "Running" && pod.status.containerStatuses?.some(restarts),
          BOTH_ENDS_MS,
        );
        await waitForNode(bed.cloud.kube, bed.node.name, "True", BOTH_ENDS_MS);
      });
    }

    test("stock cloud → our cloud: containers go on, changes arrive, reports arrive", { timeout: TIMEOUT_MS }, () =>
      containersGoOn(bed, async () => {
        await swapCloud(OUR_CLOUD);
        await setColour(bed, "green");
        await podComesAndGoes(bed, "after-our-cloud");
        await filesBecome(bed, { colour: "green" });
        await using driver = await Driver.connect(bed);
        await driver.report("temperature", "18.5");
        await reported(bed, "temperature", "18.5");
      }),
    );

    test(
      "stock edge → our edge, offline: containers go on and take updates, devices are known",
      { timeout: TIMEOUT_MS },
      () =>
        containersGoOn(bed, async () => {
          await swapEdge(OUR_EDGE, "mortal-1");
          await setWord(bed, "open");
          await podComesAndGoes(bed, "after-our-edge");
          await filesBecome(bed, { colour: "green", word: "open" });
          await using driver = await Driver.connect(bed);
          await driver.report("temperature", "19.5");
          await reported(bed, "temperature", "19.5");
          const asked = driver.asked("23");
          await desire(bed, "23");
          await asked;
        }),
    );

    test("our cloud → stock cloud: containers go on, changes arrive", { timeout: TIMEOUT_MS }, () =>
      containersGoOn(bed, async () => {
        await swapCloud(STOCK_CLOUD);
        await setColour(bed, "violet");
        await podComesAndGoes(bed, "after-stock-cloud");
        await filesBecome(bed, { colour: "violet" });
      }),
    );

    test("our edge → stock edge, offline: containers go on, changes arrive", { timeout: TIMEOUT_MS }, () =>
      containersGoOn(bed, async () => {
        await swapEdge(STOCK_EDGE, "mortal-2");
        await setWord(bed, "lily");
        await podComesAndGoes(bed, "after-stock-edge");
        await newPodHas(bed, "violet", "lily");
      }),
    );
  });
}
