import assert from "node:assert/strict";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ContainerState } from "@kedge/cri";
import type { Node, Pod } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { NODE_NAME, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;
let folder: string;

const node: Node = { metadata: { name: NODE_NAME, uid: "0b1c7a8e-2f4b-4c55-9a59-1f6d3c1c9e10" } };

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  folder = join(containerd.root, "manifests");
  await mkdir(folder);
  const settings = { staticPodPath: folder, relistIntervalMs: 1_000, node: { node: () => node } };
  edged = scope.use(await startTestEdged(containerd, settings));
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(20_000);

const yaml = (name: string, script = SERVE, more = "") => `apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: {app: ${name}}
spec:
  terminationGracePeriodSeconds: 2
  dnsPolicy: Default
${more}  containers:
    - name: app
      image: ${TEST_IMAGE}
      imagePullPolicy: Never
      command: [sh, -c, ${JSON.stringify(script)}]
      resources: {requests: {cpu: 0.01}}
`;

/** As an editor does: never seen half written. */
async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, `.${name}`), text);
  await rename(join(folder, `.${name}`), join(folder, name));
}

const mirrorName = (name: string) => `${name}-${NODE_NAME}`;

async function running(name: string): Promise<string[]> {
  const labels = { "io.kubernetes.pod.name": mirrorName(name) };
  const containers = await containerd.client.runtime.listContainers(labels, signal());
  return containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING).map(({ id }) => id);
}

async function stopped(name: string): Promise<void> {
  const until = signal();
  while (
    (await containerd.client.runtime.listContainers({ "io.kubernetes.pod.name": mirrorName(name) }, until)).length > 0
  );
}

const report = () => edged.meta.bus.request("edged/staticPods", {}, signal());

test("a file's pod runs, the API shows a copy of it, and both go with the file", options, async () => {
  const { meta } = edged;
  await write("one.yaml", yaml("one"));
  const mirror = await meta.untilReady(mirrorName("one"));
  const { annotations = {}, ownerReferences, uid } = mirror.metadata ?? {};
  const hash = annotations["kubernetes.io/config.hash"];
  assert.match(hash ?? "", /^[0-9a-f]{32}$/);
  assert.equal(annotations["kubernetes.io/config.mirror"], hash);
  assert.equal(annotations["kubernetes.io/config.source"], "file");
  assert.deepEqual(
    ownerReferences?.map((owner) => [owner.kind, owner.name, owner.uid, owner.controller]),
    [["Node", NODE_NAME, node.metadata?.uid, true]],
  );
  assert.equal(mirror.spec?.nodeName, NODE_NAME);
  assert.deepEqual(mirror.spec?.tolerations, [{ operator: "Exists", effect: "NoExecute" }]);
  const sandboxes = await containerd.client.runtime.listPodSandboxes(
    { "io.kubernetes.pod.name": mirrorName("one") },
    signal(),
  );
  assert.deepEqual(
    sandboxes.map(({ metadata }) => metadata?.uid),
    [hash],
    "the copy is not run beside the pod",
  );
  assert.notEqual(uid, hash);
  await rm(join(folder, "one.yaml"));
  await meta.untilGone(mirrorName("one"));
  await stopped("one");
});

test("a copy that somebody deletes comes again, and the pod goes on", options, async () => {
  const { meta } = edged;
  await write("kept.json", JSON.stringify({ ...pod("kept") }));
  const before = await meta.untilReady(mirrorName("kept"));
  const [id] = await running("kept");
  meta.delete({ namespace: "default", name: mirrorName("kept") });
  await meta.until(() => {
    const now = meta.get(mirrorName("kept"));
    const isNew = now !== undefined && now.metadata?.uid !== before.metadata?.uid;
    return isNew && now.status?.containerStatuses?.[0]?.ready === true;
  });
  assert.deepEqual(await running("kept"), [id]);
  // Removed while nobody was told: the next status finds nobody.
  meta.pods.delete(`default/${mirrorName("kept")}`);
  await containerd.client.runtime.stopContainer(id ?? "", 0, signal());
  await meta.until(() => meta.get(mirrorName("kept"))?.status?.containerStatuses?.[0]?.restartCount === 1);
});

test("a changed file is another pod: the old one ends before the new one starts", options, async () => {
  const { meta } = edged;
  const slow = "trap 'sleep 1; exit 0' TERM; while :; do sleep 3600 & wait; done";
  await write("changed.yaml", yaml("changed", slow));
  const before = await meta.untilReady(mirrorName("changed"));
  await write("changed.yaml", yaml("changed", SERVE));
  const now = await meta.until(() => {
    const mirror = meta.get(mirrorName("changed"));
    const ready = mirror?.status?.containerStatuses?.[0]?.ready === true;
    return mirror?.metadata?.uid !== before.metadata?.uid && ready ? mirror : undefined;
  });
  assert.notEqual(
    now.metadata?.annotations?.["kubernetes.io/config.hash"],
    before.metadata?.annotations?.["kubernetes.io/config.hash"],
  );
  assert.equal((await running("changed")).length, 1);
});

test("a file that turns bad is told of, and its pod goes on; a good one beside it is run", options, async () => {
  const { meta } = edged;
  await write("turns.yaml", yaml("turns"));
  await meta.untilReady(mirrorName("turns"));
  const [id] = await running("turns");
  await write("turns.yaml", "kind: [Pod");
  await write("secret.yaml", yaml("secret", SERVE, "  serviceAccountName: app\n"));
  await write("beside.yaml", yaml("beside"));
  await meta.untilReady(mirrorName("beside"));
  assert.deepEqual(await running("turns"), [id]);
  const { problems } = await report();
  assert.deepEqual(problems.map(({ path }) => path).toSorted(), [
    join(folder, "secret.yaml"),
    join(folder, "turns.yaml"),
  ]);
  assert.match(problems.find(({ path }) => path.endsWith("turns.yaml"))?.message ?? "", /neither YAML nor JSON/);
  assert.match(
    problems.find(({ path }) => path.endsWith("secret.yaml"))?.message ?? "",
    /static pods may not reference/,
  );
  await edged.restart();
  await write("beside2.yaml", yaml("beside2"));
  await meta.untilReady(mirrorName("beside2"));
  assert.deepEqual(await running("turns"), [id], "also after a restart");
});

test("offline: the pod runs without a copy in the API, and is shown once the cloud is back", options, async () => {
  const { meta } = edged;
  meta.offline = true;
  await write("alone.yaml", yaml("alone"));
  const until = signal();
  while ((await running("alone")).length === 0) until.throwIfAborted();
  await edged.restart();
  assert.equal(meta.get(mirrorName("alone")), undefined);
  const [id] = await running("alone");
  meta.offline = false;
  meta.bus.notify("hub/connection", { connected: true });
  await meta.untilReady(mirrorName("alone"));
  assert.deepEqual(await running("alone"), [id]);
});

test("a pod that another agent began under its own uid is taken over with that", options, async () => {
  const { meta } = edged;
  await write("theirs.yaml", yaml("theirs"));
  const mirror = await meta.untilReady(mirrorName("theirs"));
  await edged.stop();
  // As if another agent had chosen its uid: the state of ours is gone, and the file has another name.
  await rm(join(edged.config.rootDirectory, "kedge_static_pods"));
  await rename(join(folder, "theirs.yaml"), join(folder, "same.yaml"));
  const [id] = await running("theirs");
  await edged.restart();
  await write("after-theirs.yaml", yaml("after-theirs"));
  await meta.untilReady(mirrorName("after-theirs"));
  assert.deepEqual(await running("theirs"), [id]);
  assert.equal(meta.get(mirrorName("theirs"))?.metadata?.uid, mirror.metadata?.uid);
  // And again, when nothing but our own memory tells of it.
  await edged.stop();
  meta.pods.delete(`default/${mirrorName("theirs")}`);
  await edged.restart();
  await meta.untilReady(mirrorName("theirs"));
  assert.deepEqual(await running("theirs"), [id]);
});

test("a copy whose file was removed while the agent was away goes, and so does its pod", options, async () => {
  const { meta } = edged;
  await write("gone.yaml", yaml("gone"));
  await meta.untilReady(mirrorName("gone"));
  await edged.stop();
  await rm(join(folder, "gone.yaml"));
  await edged.restart();
  await meta.untilGone(mirrorName("gone"));
  await stopped("gone");
});

test(
  "a pod of the API that calls itself static is none: it is told of, and has no right of the node's own",
  options,
  async () => {
    const { meta } = edged;
    const claims = { "kubernetes.io/config.source": "file", "kubernetes.io/config.hash": "0" };
    const { metadata, ...rest } = pod("claims");
    meta.apply({
      ...rest,
      metadata: { ...metadata, namespace: "default", annotations: claims },
      spec: { ...rest.spec, containers: rest.spec?.containers ?? [], nodeName: NODE_NAME },
    });
    await meta.untilReady("claims");
    meta.delete({ namespace: "default", name: "claims" }, 1);
    await meta.untilGone("claims");
  },
);

function pod(name: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 2,
      dnsPolicy: "Default",
      containers: [{ name: "app", image: TEST_IMAGE, imagePullPolicy: "Never", command: ["sh", "-c", SERVE] }],
    },
  };
}
