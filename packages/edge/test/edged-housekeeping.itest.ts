import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
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

test("a full disk gives up images and dead containers before pods", options, async () => {
  await using edged = await startTestEdged(containerd, {
    housekeeping: { ...evicting({}), images: { ...HOUSEKEEPING_DEFAULTS.images, ageMinMs: 0 } },
  });
  const { meta } = edged;
  meta.apply(podOf("done", "echo ended", { restartPolicy: "Never" }));
  meta.apply(podOf("stays", SERVE));
  await meta.untilPhase("done", "Succeeded");
  await meta.untilReady("stays");
  void TEST_IMAGE;
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
void [run, mkdir, readdir, readlink, stat, join];
