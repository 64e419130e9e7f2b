import assert from "node:assert/strict";
import { PODS } from "@kedge/kube";
import { sleeper, type TestBed } from "../e2e/test-bed.ts";
import { waitForNode } from "../e2e/test-cloud.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, type Check, key, signal, type StockDefect } from "./check.ts";
import { filesBecome, podIsGone, runPod, setColour, setWord, WITH_SETTINGS } from "./workload-checks.ts";

/** Does `work`, and holds the containers that ran before to have gone on without a break. */
export async function containersGoOn(bed: TestBed, work: () => Promise<void>): Promise<void> {
  const before = await bed.containerIds();
  assert.notDeepEqual(before, []);
  await work();
  const after = await bed.containerIds();
  assert.deepEqual(
    after.filter((id) => before.includes(id)),
    before,
  );
}

/** A pod of this name comes up and goes: both directions work. */
export async function podComesAndGoes(bed: TestBed, name: string): Promise<void> {
  await runPod(bed, name);
  await bed.cloud.kube.delete(PODS, key(name), signal());
  await podIsGone(bed, name);
}

const LOST_FILES: StockDefect = {
  weakness: "running containers lose the files of their ConfigMaps and Secrets when the edge is started again",
  run: (bed) => newPodHas(bed, "violet", "lily"),
};

export const OUTAGE_CHECKS: readonly Check[] = [
  {
    name: "the cloud is killed and comes back: containers go on, and changes arrive",
    run: (bed) =>
      containersGoOn(bed, async () => {
        await bed.cloud.kill();
        await bed.cloud.start();
        await setColour(bed, "green");
        await podComesAndGoes(bed, "after-cloud");
        await waitForNode(bed.cloud.kube, bed.node.name, "True", BOTH_ENDS_MS);
        await filesBecome(bed, { colour: "green" });
      }),
  },
  {
    name: "what is created, changed and deleted while the cloud is away from the edge arrives when it is back",
    run: async (bed) => {
      await runPod(bed, "leaves");
      await runPod(bed, "leaves-at-once");
      await bed.cloud.kill();
      await changeThings(bed, "yellow", "tulip");
      await bed.cloud.start();
      await filesBecome(bed, { colour: "yellow", word: "tulip" });
      await thingsChanged(bed);
    },
  },
  {
    name: "the edge is started again while the cloud is away: it keeps its pods, and restarts what died",
    run: async (bed) => {
      await runPod(bed, "mortal");
      const labels = { "io.kubernetes.container.name": "main", "io.kubernetes.pod.name": "mortal" };
      await bed.cloud.kill();
      await bed.node.killAgent();
      const [victim = ""] = await bed.containerIds(labels);
      await bed.node.containerd.client.runtime.stopContainer(victim, 0, signal());
      await containersGoOn(bed, async () => {
        await bed.node.startAgent();
        await bed.node.containerStarts(labels);
      });
      await bed.cloud.start();
      const restarted = await waitForObject(
        bed.cloud.kube,
        PODS,
        key("mortal"),
        (pod) => ((pod?.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1 ? pod : undefined),
        BOTH_ENDS_MS,
      );
      assert.equal(restarted.status?.phase, "Running");
      await waitForNode(bed.cloud.kube, bed.node.name, "True", BOTH_ENDS_MS);
    },
  },
  {
    name: "what is created, changed and deleted while the edge is down arrives when it is back",
    run: async (bed) => {
      await runPod(bed, "leaves");
      await runPod(bed, "leaves-at-once");
      await bed.node.killAgent();
      await changeThings(bed, "violet", "rose");
      await bed.node.startAgent();
      await thingsChanged(bed);
      await newPodHas(bed, "violet", "rose");
    },
  },
  {
    name: "both are killed and come back: containers go on, and changes arrive",
    run: (bed) =>
      containersGoOn(bed, async () => {
        await Promise.all([bed.cloud.kill(), bed.node.killAgent()]);
        await bed.node.startAgent();
        await bed.cloud.start();
        await setWord(bed, "lily");
        await podComesAndGoes(bed, "after-both");
        await waitForNode(bed.cloud.kube, bed.node.name, "True", BOTH_ENDS_MS);
        await newPodHas(bed, "violet", "lily");
      }),
  },
  {
    name: "containers that the edge found running when it was started again get updates in their files",
    run: (bed) => filesBecome(bed, { colour: "violet", word: "lily" }),
    stockDefects: { "stock edge, our cloud": LOST_FILES, "stock, both": LOST_FILES },
  },
];

/** A ConfigMap and a Secret, a pod that comes, one that is to end, and one that is gone without anyone's consent. */
async function changeThings(bed: TestBed, colour: string, word: string): Promise<void> {
  const { kube } = bed.cloud;
  await setColour(bed, colour);
  await setWord(bed, word);
  await kube.create(PODS, sleeper("comes", bed.node.name), signal());
  await kube.delete(PODS, key("leaves"), signal());
  await kube.delete(PODS, key("leaves-at-once"), signal(), { gracePeriodSeconds: 0 });
}

async function thingsChanged(bed: TestBed): Promise<void> {
  await bed.podReady("comes", BOTH_ENDS_MS);
  await podIsGone(bed, "leaves");
  for (const name of ["leaves", "leaves-at-once"]) await bed.node.containersGone({ "io.kubernetes.pod.name": name });
  await bed.cloud.kube.delete(PODS, key("comes"), signal());
  await podIsGone(bed, "comes");
}

/** A pod that starts now has these values. */
export async function newPodHas(bed: TestBed, colour: string, word: string): Promise<void> {
  await runPod(bed, "reader", WITH_SETTINGS);
  const pod = await bed.podReady("reader");
  const seen = await bed.exec(pod, "main", [
    "sh",
    "-c",
    "echo $COLOUR $WORD $(cat /settings/colour) $(cat /keys/word)",
  ]);
  assert.equal(seen, `${colour} ${word} ${colour} ${word}\n`);
  await bed.cloud.kube.delete(PODS, key("reader"), signal());
  await podIsGone(bed, "reader");
}
