import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { busyboxImage, ContainerState } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { HOUSEKEEPING_DEFAULTS, type HousekeepingConfig } from "../src/edged/housekeeping-config.ts";
import { evictionThresholds } from "../src/edged/eviction/eviction-thresholds.ts";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const run = promisify(execFile);
const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;

before(async () => {
  if (skip === false) containerd = scope.use(await TestContainerd.start());
});
after(() => scope.disposeAsync());

function evicting(
  hard: Record<string, string>,
  more: Partial<HousekeepingConfig["eviction"]> = {},
): HousekeepingConfig {
  const thresholds = evictionThresholds({ hard, enforcesPods: false });
  const eviction = { ...HOUSEKEEPING_DEFAULTS.eviction, thresholds, intervalMs: 200, ...more };
  return { ...HOUSEKEEPING_DEFAULTS, eviction };
}

const evicted = ({ meta }: TestEdged, name: string): Promise<Pod> =>
  meta.until(() => {
    const pod = meta.get(name);
    return pod?.status?.reason === "Evicted" && pod.status.phase === "Failed" ? pod : undefined;
  });

test(
  "memory pressure evicts who takes more than it asked for, spares critical pods, and keeps greedy ones out",
  options,
  async () => {
    // More must be left than there ever is.
    const free = { ...HOUSEKEEPING_DEFAULTS };
    await using edged = await startTestEdged(containerd, { housekeeping: free });
    const { meta } = edged;
    const small = { limits: { memory: "256Mi" }, requests: { memory: "256Mi" } };
    const [container] = podOf("x", SERVE).spec?.containers ?? [];
    assert.ok(container !== undefined);
    meta.apply(podOf("modest", SERVE, { containers: [{ ...container, resources: small }] }));
    meta.apply(podOf("greedy", SERVE));
    meta.apply(podOf("critical", SERVE, { priority: 2_000_001_000 }));
    for (const name of ["modest", "greedy", "critical"]) await meta.untilReady(name);

    await edged.restart({ housekeeping: evicting({ "memory.available": "1Pi" }) });
    const { status } = await evicted(edged, "greedy");
    assert.match(
      status?.message ?? "",
      /^The node was low on resource: memory\. Threshold quantity: 1Pi, available: \d+Ki\. Container app was using \d+(Ki)?, request is 0, has larger consumption of memory\. $/,
    );
    const target = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.equal(target?.status, "True");
    assert.equal(target.reason, "TerminationByKubelet");
    await evicted(edged, "modest");
    assert.equal(meta.get("critical")?.status?.phase, "Running");
    assert.deepEqual(edged.nodeHealth()?.pressure, { memory: true, disk: false, pid: false });
    const events = meta.events.map(({ reason, involvedObject: { kind, name } }) => `${reason} ${kind}/${name}`);
    assert.ok(events.includes("EvictionThresholdMet Node/edge-1"));
    assert.ok(events.includes("Evicted Pod/greedy"));

    meta.apply(podOf("late", SERVE));
    const late = await evicted(edged, "late");
    assert.equal(late.status?.message, "Pod was rejected: The node had condition: [MemoryPressure]. ");
  },
);

test("where processes run out, who has most of them goes first", options, async () => {
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  meta.apply(podOf("few", SERVE));
  meta.apply(podOf("many", `for _ in $(seq 20); do sleep 3600 & done; ${SERVE}`));
  for (const name of ["few", "many"]) await meta.untilReady(name);
  // Some run on every machine.
  await edged.restart({ housekeeping: evicting({ "pid.available": "99.9999%" }, { intervalMs: 1_000 }) });
  const { status } = await evicted(edged, "many");
  assert.match(
    status?.message ?? "",
    /^The node was low on resource: pids\. Threshold quantity: \d+k?, available: \d+k?\. $/,
  );
  await evicted(edged, "few");
  const order = meta.events.filter(({ reason }) => reason === "Evicted").map(({ involvedObject: { name } }) => name);
  assert.deepEqual(order, ["many", "few"]);
});

test(
  "W-55: a full disk gives up dead containers and images, but none that is needed, and then pods",
  options,
  async () => {
    await using own = await TestContainerd.start();
    await own.importImages([await busyboxImage("kedge.local/unused:1", { env: ["IS=another"] })]);
    const full = evicting({ "imagefs.available": "1Pi" });
    const images = { ...HOUSEKEEPING_DEFAULTS.images, ageMinMs: 0 };
    await using edged = await startTestEdged(own);
    const { meta } = edged;
    meta.apply(podOf("done", "echo ended", { restartPolicy: "Never" }));
    meta.apply(podOf("runs", SERVE));
    await meta.untilPhase("done", "Succeeded");
    await meta.untilReady("runs");
    const { imageNames, deadContainers } = looking(own);
    assert.ok((await imageNames()).includes("kedge.local/unused:1"));
    assert.equal(await deadContainers(), 1);

    await edged.restart({ housekeeping: { ...full, images } });
    await evicted(edged, "runs");
    assert.deepEqual(edged.nodeHealth()?.pressure, { memory: false, disk: true, pid: false });
    const left = await imageNames();
    assert.ok(!left.includes("kedge.local/unused:1"));
    assert.ok(left.includes(TEST_IMAGE)); // the pods name it
    assert.equal(meta.get("done")?.status?.containerStatuses?.[0]?.state?.terminated?.reason, "Completed");

    // Sandboxes are made from an image that no container shows.
    await edged.restart();
    meta.apply(podOf("next", SERVE));
    await meta.untilReady("next");
  },
);

test("what fills the disk of pods' files is evicted, and then there is room again", options, async () => {
  const root = await mkdtemp(join(containerd.root, "small-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", root]);
  await using _ = { [Symbol.asyncDispose]: async () => void (await run("umount", ["-l", root])) };
  const housekeeping = evicting({ "nodefs.available": "50%" }, { transitionMs: 0 });
  await using edged = await startTestEdged(containerd, { housekeeping, rootDirectory: join(root, "kubelet") });
  const { meta } = edged;
  const [container] = podOf("x", SERVE).spec?.containers ?? [];
  assert.ok(container !== undefined);
  const volumes = [{ name: "data", emptyDir: {} }];
  const volumeMounts = [{ name: "data", mountPath: "/data" }];
  const fill = `dd if=/dev/zero of=/data/f bs=1M count=40 2>/dev/null; ${SERVE}`;
  meta.apply(podOf("small", SERVE));
  await meta.untilReady("small");
  meta.apply(
    podOf("large", "", { volumes, containers: [{ ...container, command: ["sh", "-c", fill], volumeMounts }] }),
  );
  const { status } = await evicted(edged, "large");
  assert.match(
    status?.message ?? "",
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: 32Mi, available: \d+Ki\. /,
  );
  for (const deadline = AbortSignal.timeout(10_000); edged.nodeHealth()?.pressure.disk !== false; await pause())
    deadline.throwIfAborted();
  assert.equal(meta.get("small")?.status?.phase, "Running");
});

test(
  "images go when their disk is fuller than it should be, the one first that nobody needed for longest",
  options,
  async () => {
    await using own = await TestContainerd.start();
    for (const name of ["kedge.local/one:1", "kedge.local/two:1"])
      await own.importImages([await busyboxImage(name, { env: [`IS=${name}`] })]);
    const images = { ...HOUSEKEEPING_DEFAULTS.images, ageMinMs: 0, highPercent: 1, lowPercent: 0 };
    await using edged = await startTestEdged(own, {
      housekeeping: { ...HOUSEKEEPING_DEFAULTS, images, imagesIntervalMs: 200 },
    });
    const { meta } = edged;
    meta.apply(podOf("needs", SERVE));
    await meta.untilReady("needs");
    const failed = await meta.until(() => meta.events.find(({ reason }) => reason === "FreeDiskSpaceFailed"));
    assert.match(
      failed.message ?? "",
      /^Insufficient free disk space on the node's image filesystem \(\d+% of [\d.]+ .iB used\)\. /,
    );
    const left = await looking(own).imageNames();
    assert.ok(left.includes(TEST_IMAGE) && left.includes("kedge.local/pause:1"), left.join());
    assert.ok(!left.includes("kedge.local/one:1") && !left.includes("kedge.local/two:1"), left.join());
  },
);

test("dead containers, and what pods left behind, go", options, async () => {
  await using edged = await startTestEdged(containerd, {
    housekeeping: {
      ...HOUSEKEEPING_DEFAULTS,
      containers: { perContainerMax: 1, nodeMax: 0, ageMinMs: 0 },
      containersIntervalMs: 200,
    },
  });
  const { meta, config } = edged;
  const leftovers = [
    join(config.podLogsDirectory, "default_gone_0b5a5e8e-0000-4000-8000-000000000001", "app"),
    join(config.rootDirectory, "pods", "0b5a5e8e-0000-4000-8000-000000000002", "volumes"),
  ];
  for (const directory of leftovers) await mkdir(directory, { recursive: true });
  meta.apply(podOf("over", "exit 0", { restartPolicy: "Never" }));
  meta.apply(podOf("crashes", "exit 1"));
  await meta.untilPhase("over", "Succeeded");
  const restarted = () => (meta.get("crashes")?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 || undefined;
  await meta.until(restarted, 40_000);
  const { deadContainers } = looking(containerd);
  for (const deadline = AbortSignal.timeout(10_000); (await deadContainers()) > 1; await pause())
    deadline.throwIfAborted(); // of the pod that lives, the newest stays
  assert.equal(meta.get("over")?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 0);
  for (const directory of leftovers) await assert.rejects(stat(directory), { code: "ENOENT" });
});

test("a log is rotated under its writer, without a line lost, and only so many parts stay", options, async () => {
  await using edged = await startTestEdged(containerd, {
    housekeeping: {
      ...HOUSEKEEPING_DEFAULTS,
      logs: { sizeMax: 50_000, filesMax: 4, workersMax: 1, intervalMs: 400 },
      containersIntervalMs: 50,
    },
  });
  const { meta, config } = edged;
  // 200 lines a turn, as long as nobody says stop.
  const write = `i=0; while [ ! -e /stop ]; do for _ in $(seq 200); do i=$((i+1)); echo "line $i of many that are written here"; done; sleep 0.1; done; echo last $i; ${SERVE}`;
  const pod = meta.apply(podOf("writes", write));
  await meta.untilReady("writes");
  const { name, namespace, uid } = pod.metadata ?? {};
  const directory = join(config.podLogsDirectory, `${namespace}_${name}_${uid}`, "app");
  const parts = () => readdir(directory);
  for (const deadline = AbortSignal.timeout(30_000); (await parts()).length < 4; await pause())
    deadline.throwIfAborted();
  const id = meta.get("writes")?.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
  await containerd.client.runtime.execSync(id, ["touch", "/stop"], 5, AbortSignal.timeout(10_000));
  const text = async () => {
    const texts = [];
    for (const file of (await parts()).filter((one) => !one.endsWith(".tmp")).toSorted(byAge))
      texts.push(await readLog(join(directory, file)));
    return texts.join("");
  };
  for (const deadline = AbortSignal.timeout(10_000); !(await text()).includes("last "); await pause())
    deadline.throwIfAborted();
  await pause(1_000); // longer than a round: nothing is written any more
  assert.ok((await parts()).length <= 4, (await parts()).join());
  const numbers = [...(await text()).matchAll(/ line (\d+) of/g)].map(([, number]) => Number(number));
  const [first = 0] = numbers;
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => first + index),
  );
  const [link = ""] = (await readdir(config.containerLogsDirectory)).filter((one) => one.startsWith("writes_"));
  assert.equal(await readlink(join(config.containerLogsDirectory, link)), join(directory, "0.log"));
});

test("an emptyDir, a container or a pod that writes more than it may is evicted", options, async () => {
  await using edged = await startTestEdged(containerd, { housekeeping: evicting({}) });
  const { meta } = edged;
  const write = (file: string) => `dd if=/dev/zero of=${file} bs=1M count=4 2>/dev/null; ${SERVE}`;
  const limits = { "ephemeral-storage": "2Mi" };
  const [container] = podOf("x", SERVE).spec?.containers ?? [];
  assert.ok(container !== undefined);
  meta.apply(
    podOf("volume", "", {
      volumes: [{ name: "data", emptyDir: { sizeLimit: "2Mi" } }],
      containers: [
        { ...container, command: ["sh", "-c", write("/data/f")], volumeMounts: [{ name: "data", mountPath: "/data" }] },
      ],
    }),
  );
  meta.apply(
    podOf("root", "", { containers: [{ ...container, command: ["sh", "-c", write("/f")], resources: { limits } }] }),
  );
  const volume = await evicted(edged, "volume");
  assert.equal(volume.status?.message, 'Usage of EmptyDir volume "data" exceeds the limit "2Mi". ');
  const root = await evicted(edged, "root");
  assert.match(
    root.status?.message ?? "",
    /^Pod ephemeral local storage usage exceeds the total limit of containers 2Mi\. $/,
  );
});
function looking({ client }: TestContainerd) {
  const soon = () => AbortSignal.timeout(10_000);
  return {
    imageNames: async () => (await client.images.listImages(soon())).flatMap(({ repoTags }) => repoTags),
    deadContainers: async () =>
      (await client.runtime.listContainers({}, soon())).filter(({ state }) => state === ContainerState.CONTAINER_EXITED)
        .length,
  };
}

const pause = (ms = 50) => new Promise((resolve) => setTimeout(resolve, ms));
/** `0.log.<time>` before `0.log`. */
const byAge = (a: string, b: string) => (a === "0.log" ? 1 : b === "0.log" ? -1 : a < b ? -1 : 1);

async function readLog(path: string): Promise<string> {
  const bytes = await readFile(path);
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
}
