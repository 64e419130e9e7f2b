import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadEdgeCoreConfig } from "@kedge/api";
import type { Container, Pod } from "@kedge/kube";
import { deferred, silentLogger, systemClock } from "@kedge/runtime";
import { readCpuCheckpoint, writeCpuCheckpoint } from "./cpu-checkpoint.ts";
import { CpuManager, type RunningContainer } from "./cpu-manager.ts";
import { CPU_MANAGER_OFF, type CpuManagerConfig, cpuManagerConfig } from "./cpu-manager-config.ts";
import { formatCpuSet, parseCpuSet } from "./cpu-set.ts";
import { CpuTopology } from "./cpu-topology.ts";

/** Four cores of two threads: 0 and 4, 1 and 5, … */
const topology = new CpuTopology([0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => ({ cpu, core: cpu % 4, socket: 0, numa: 0 })));
const config: CpuManagerConfig = { ...CPU_MANAGER_OFF, policy: "static", reservedMilli: 1500 };

function asking(name: string, cpu: string, more: Partial<Container> = {}): Container {
  const list = { cpu, memory: "1Gi" };
  return { name, resources: { requests: list, limits: list }, ...more };
}
function pod(uid: string, containers: Container[], spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return { metadata: { name: uid, uid }, spec: { containers, ...spec } };
}

class Bed implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "kedge-cpus-"));
  readonly running: RunningContainer[] = [];
  readonly over = new Set<string>();
  readonly told: Record<string, string> = {};
  #heard = deferred();
  #manager: CpuManager | undefined;

  async start(more: Partial<CpuManagerConfig> = {}): Promise<CpuManager> {
    await this.#manager?.[Symbol.asyncDispose]();
    const update = async (id: string, cpuset: string) => {
      this.told[id] = cpuset;
      this.#heard.resolve();
      this.#heard = deferred();
    };
    const deps = { clock: systemClock, logger: silentLogger, update, topology };
    this.#manager = await CpuManager.start(this.directory, { ...config, ...more }, deps);
    this.#manager.follow({ running: () => this.running, isActive: (uid) => !this.over.has(uid) });
    return this.#manager;
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await this.#heard.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager?.[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true });
  }
}
const options = { timeout: 10_000 };

test("whole CPUs of Guaranteed pods are theirs alone; all others share the rest", options, async () => {
  await using bed = new Bed();
  const cpus = await bed.start();
  await cpus.allocate(pod("u1", [asking("app", "2"), asking("half", "500m")]));
  const own = formatCpuSet(cpus.ownOf("u1", "app"));
  assert.equal(own, "1,5", "a whole core; 0 and 4 are reserved");
  assert.equal(cpus.cpusetOf("u1", "half"), "0,2-4,6-7");
  assert.equal(cpus.cpusetOf("u2", "any"), "0,2-4,6-7", "also on the reserved ones");
  assert.equal(cpus.hasOwn("u1"), true);
  assert.equal(formatCpuSet(cpus.allocatable), "1-3,5-7");

  const burstable = { name: "app", resources: { requests: { cpu: "2", memory: "1Gi" }, limits: { cpu: "2" } } };
  await cpus.allocate(pod("u2", [burstable]));
  await cpus.allocate(pod("u3", [asking("app", "2")], { resources: { limits: { cpu: "2", memory: "1Gi" } } }));
  assert.deepEqual([cpus.hasOwn("u2"), cpus.hasOwn("u3")], [false, false]);
  await assert.rejects(cpus.allocate(pod("u4", [asking("app", "5")])), {
    message: "not enough cpus available to satisfy request: requested=5, available=4",
  });
  assert.equal(cpus.hasOwn("u4"), false);
  await cpus.release("u1");
  assert.equal(cpus.cpusetOf("u2", "any"), "0-7");
});

test("CPUs go from init containers to the next ones, but not from sidecars", options, async () => {
  await using bed = new Bed();
  const cpus = await bed.start();
  const initContainers = [asking("first", "4"), asking("sidecar", "1", { restartPolicy: "Always" })];
  await cpus.allocate(pod("u1", [asking("app", "2")], { initContainers }));
  const of = (name: string) => formatCpuSet(cpus.ownOf("u1", name));
  const first = parseCpuSet(of("first"));
  for (const name of ["sidecar", "app"]) for (const cpu of parseCpuSet(of(name))) assert.ok(first.has(cpu), name);
  assert.equal(parseCpuSet(`${of("sidecar")},${of("app")}`).size, 3, "they run side by side");
});

test("running containers go where they may be, at once", options, async () => {
  await using bed = new Bed();
  bed.running.push({ podUid: "shares", name: "app", id: "c1" });
  const cpus = await bed.start();
  await bed.until(() => bed.told["c1"] === "0-7");
  await cpus.allocate(pod("u1", [asking("app", "2")]));
  await bed.until(() => bed.told["c1"] === "0,2-4,6-7");
  await cpus.release("u1");
  await bed.until(() => bed.told["c1"] === "0-7");
});

test("pods that are over give their CPUs back with the next allocation", options, async () => {
  await using bed = new Bed();
  const cpus = await bed.start();
  await cpus.allocate(pod("u1", [asking("app", "6")]));
  bed.over.add("u1");
  await cpus.allocate(pod("u2", [asking("app", "6")]));
  assert.equal(cpus.ownOf("u2", "app").size, 6);
});

test("over a restart containers keep their CPUs; what is not to be had any more is given anew", options, async () => {
  await using bed = new Bed();
  let cpus = await bed.start();
  await cpus.allocate(pod("u1", [asking("app", "2")]));
  await cpus.allocate(pod("u2", [asking("app", "1")]));
  const before = formatCpuSet(cpus.ownOf("u2", "app"));
  cpus = await bed.start();
  assert.equal(formatCpuSet(cpus.ownOf("u1", "app")), "1,5");
  cpus = await bed.start({ reserved: parseCpuSet("0-1,4-5") });
  assert.equal(cpus.hasOwn("u1"), false, "its CPUs are reserved now");
  assert.equal(formatCpuSet(cpus.ownOf("u2", "app")), before);
  await cpus.allocate(pod("u1", [asking("app", "2")]));
  assert.equal(cpus.ownOf("u1", "app").size, 2);
});

test("takes over what a kubelet left, and leaves what a kubelet reads", options, async () => {
  await using bed = new Bed();
  const file = join(bed.directory, "cpu_manager_state");
  const entries = new Map([["u1", new Map([["app", parseCpuSet("3,7")]])]]);
  writeFileSync(file, writeCpuCheckpoint({ policy: "static", shared: parseCpuSet("0-2,4-6"), entries }));
  const cpus = await bed.start();
  assert.equal(formatCpuSet(cpus.ownOf("u1", "app")), "3,7");
  await cpus.release("u1");
  const state = readCpuCheckpoint(readFileSync(file, "utf8"));
  assert.deepEqual([state.policy, formatCpuSet(state.shared), state.entries.size], ["static", "0-7", 0]);
  writeFileSync(file, "{}");
  assert.equal((await bed.start()).cpusetOf("any", "app"), "0-7", "a damaged one counts as none");
});

test("without the policy nothing is pinned; what was is let go", options, async () => {
  await using bed = new Bed();
  let cpus = await bed.start({ policy: "none" });
  await cpus.allocate(pod("u1", [asking("app", "2")]));
  assert.deepEqual([cpus.cpusetOf("u1", "app"), cpus.isExclusive(pod("u1", [asking("app", "2")]))], [undefined, false]);
  cpus = await bed.start();
  await cpus.allocate(pod("u1", [asking("app", "2")]));
  bed.running.push({ podUid: "u1", name: "app", id: "c1" });
  await bed.start({ policy: "none" });
  await bed.until(() => bed.told["c1"] === "0-7");
  const state = readCpuCheckpoint(readFileSync(join(bed.directory, "cpu_manager_state"), "utf8"));
  assert.deepEqual([state.policy, state.shared.size, state.entries.size], ["none", 0, 0]);
});

test("whole cores only, if so wished; the reserved ones for nobody, if so wished", options, async () => {
  await using bed = new Bed();
  let cpus = await bed.start({ fullCoresOnly: true });
  const refused = (count: string) => cpus.allocate(pod("u1", [asking("app", count)]));
  await assert.rejects(refused("3"), {
    code: "SMTAlignmentError",
    admissionReason: "SMTAlignmentError",
    message: "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2",
  });
  await assert.rejects(refused("8"), /not enough free physical CPUs: available physical CPUs = 6, requested CPUs = 8/);
  await cpus.allocate(pod("u1", [asking("app", "6")]));
  await cpus.allocate(pod("u1", [asking("app", "6")]));
  cpus = await bed.start({ strictReservation: true });
  await cpus.release("u1");
  assert.equal(cpus.cpusetOf("any", "app"), "1-3,5-7");
});

const settings: { name: string; kubelet: string; path?: string }[] = [
  { name: "static with a reservation", kubelet: "cpuManagerPolicy: static, kubeReserved: {cpu: 500m}" },
  {
    name: "static with chosen CPUs and whole cores",
    kubelet: 'cpuManagerPolicy: static, reservedSystemCPUs: "0,4", cpuManagerPolicyOptions: {full-pcpus-only: "true"}',
  },
  { name: "static without a reservation", kubelet: "cpuManagerPolicy: static", path: "cpuManagerPolicy" },
  { name: "another policy", kubelet: "cpuManagerPolicy: dynamic", path: "cpuManagerPolicy" },
  {
    name: "an option that we do not have",
    kubelet:
      'cpuManagerPolicy: static, kubeReserved: {cpu: "1"}, cpuManagerPolicyOptions: {distribute-cpus-across-numa: "true"}',
    path: "cpuManagerPolicyOptions.distribute-cpus-across-numa",
  },
  { name: "no list of CPUs", kubelet: "reservedSystemCPUs: a-b", path: "reservedSystemCPUs" },
  {
    name: "chosen CPUs and a cgroup",
    kubelet: 'reservedSystemCPUs: "0", systemReservedCgroup: /system.slice',
    path: "reservedSystemCPUs",
  },
  { name: "a memory manager", kubelet: "memoryManagerPolicy: Static", path: "memoryManagerPolicy" },
  { name: "a topology manager", kubelet: "topologyManagerPolicy: best-effort", path: "topologyManagerPolicy" },
];
for (const { name, kubelet, path } of settings)
  test(`settings: ${name}`, () => {
    const yaml = `modules: {edged: {tailoredKubeletConfig: {${kubelet}}}}`;
    const { config: loaded } = loadEdgeCoreConfig(yaml, { hostname: "edge-1", localIP: "192.0.2.7" });
    const read = () => cpuManagerConfig(loaded.modules.edged.tailoredKubeletConfig);
    if (path === undefined) assert.equal(read().policy, "static");
    else
      assert.throws(read, (error) => {
        assert.ok(error instanceof Error && "details" in error);
        assert.equal((error.details as { path: string }).path, `modules.edged.tailoredKubeletConfig.${path}`);
        return true;
      });
  });
