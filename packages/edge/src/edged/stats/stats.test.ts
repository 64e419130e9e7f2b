import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import type { CgroupHierarchy } from "../resources/cgroup-hierarchies.ts";
import { cadvisorMetrics } from "./cadvisor-metrics.ts";
import { CgroupUsages } from "./cgroup-usage.ts";
import type { NodeUsage, Usage } from "./collect-usage.ts";
import { CpuRates } from "./cpu-rates.ts";
import { parseNetDev } from "./network-usage.ts";
import { resourceMetrics } from "./resource-metrics.ts";

/** Files of a machine's cgroups, as the kernel writes them. */
async function fixture(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), "kedge-cgroups-"));
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}

test("reads what a pod has taken from cgroups of version 1", async () => {
  await using machine = await fixture({
    "cpu,cpuacct/kubepods/pod1/cpuacct.usage": "1500000000\n",
    "memory/kubepods/pod1/memory.usage_in_bytes": "1000000\n",
    "memory/kubepods/pod1/memory.stat":
      "cache 1\nrss 2\ntotal_cache 600000\ntotal_rss 400000\ntotal_swap 4096\ntotal_inactive_file 250000\ntotal_pgfault 7\ntotal_pgmajfault 3\n",
    "pids/kubepods/pod1/pids.current": "12\n",
    "pids/kubepods/pod1/cgroup.procs": "4711\n4712\n",
  });
  const v1 = (controllers: string[], directory: string): CgroupHierarchy => ({
    version: 1,
    controllers,
    mountPoint: join(machine.root, directory),
  });
  const idle: CgroupHierarchy = { version: 2, controllers: [], mountPoint: join(machine.root, "unified"), idle: true };
  const usages = new CgroupUsages([
    v1(["cpu", "cpuacct"], "cpu,cpuacct"),
    v1(["memory"], "memory"),
    v1(["pids"], "pids"),
    idle,
  ]);
  assert.deepEqual(await usages.read("/kubepods/pod1"), {
    cpuNs: 1_500_000_000,
    memory: {
      usageBytes: 1_000_000,
      workingSetBytes: 750_000,
      rssBytes: 400_000,
      pageFaults: 7,
      majorPageFaults: 3,
      swapBytes: 4096,
    },
    processes: 12,
  });
  assert.equal(await usages.anyProcess("/kubepods/pod1"), 4711);
  assert.equal(await usages.read("/kubepods/pod2"), undefined);
});

test("reads what a pod has taken from cgroups of version 2", async () => {
  await using machine = await fixture({
    "kubepods.slice/cpu.stat": "usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n",
    "kubepods.slice/memory.current": "1000000\n",
    "kubepods.slice/memory.stat": "anon 300000\nfile 500000\ninactive_file 100000\npgfault 9\npgmajfault 1\n",
    "kubepods.slice/memory.swap.current": "8192\n",
    "kubepods.slice/pids.current": "5\n",
  });
  const usages = new CgroupUsages([{ version: 2, controllers: [], mountPoint: machine.root }]);
  assert.deepEqual(await usages.read("/kubepods.slice"), {
    cpuNs: 2_500_000,
    memory: {
      usageBytes: 1_000_000,
      workingSetBytes: 900_000,
      rssBytes: 300_000,
      pageFaults: 9,
      majorPageFaults: 1,
      swapBytes: 8192,
    },
    processes: 5,
  });
});

test("tells cores from two looks, and nothing from one, or from a counter that began anew", () => {
  const rates = new CpuRates();
  const look = (cpuNs: number, atNs: number) => {
    const rate = rates.note("pod", cpuNs, atNs);
    rates.roundEnds();
    return rate;
  };
  assert.equal(look(1e9, 10e9), undefined);
  assert.equal(look(2e9, 14e9), 250_000_000);
  assert.equal(look(2.1e9, 14.5e9), 250_000_000, "too soon to say something new");
  assert.equal(look(0.5e9, 30e9), undefined);
  rates.roundEnds(); // it is gone
  assert.equal(look(1e9, 40e9), undefined);
});

test("reads a network namespace's interfaces", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
  eth0: 1234 10 2 0 0 0 0 0 5678 20 3 0 0 0 0 0
`;
  assert.deepEqual(parseNetDev(text), [{ name: "eth0", rxBytes: 1234, rxErrors: 2, txBytes: 5678, txErrors: 3 }]);
});

const usage = (cpuNs: number): Usage => ({
  cpuNs,
  atMs: 1_700_000_000_000,
  nanoCores: undefined,
  processes: 2,
  memory: { usageBytes: 20, workingSetBytes: 10, rssBytes: 5, pageFaults: 0, majorPageFaults: 0, swapBytes: 0 },
});
const pod: Pod = { metadata: { name: "web", namespace: "default", uid: "u1" } };
const node: NodeUsage = {
  node: usage(9e9),
  allPods: undefined,
  interfaces: [],
  pods: [
    {
      pod,
      usage: usage(3e9),
      interfaces: [{ name: "eth0", rxBytes: 1, rxErrors: 0, txBytes: 2, txErrors: 0 }],
      containers: [
        {
          id: "c1",
          name: 'a"p\\p',
          image: "busybox",
          startedAtMs: 1_600_000_000_500,
          usage: usage(2e9),
          written: undefined,
        },
      ],
    },
  ],
};

test("writes the series that metrics-server reads, one sample for each container", () => {
  const text = resourceMetrics(node);
  assert.match(
    text,
    /^container_cpu_usage_seconds_total\{container="a\\"p\\\\p",namespace="default",pod="web"\} 2 1700000000000$/m,
  );
  assert.match(text, /^pod_cpu_usage_seconds_total\{namespace="default",pod="web"\} 3 1700000000000$/m);
  assert.match(text, /^node_cpu_usage_seconds_total 9 1700000000000$/m);
  assert.match(text, /^container_start_time_seconds\{.*\} 1600000000.5$/m);
  for (const line of text.trim().split("\n"))
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.e+]+( \d+)?)$/);
});

test("writes cAdvisor's series of node, pod and container", () => {
  const text = cadvisorMetrics(node, { cpus: 4, memoryBytes: 8, bootMs: 0 });
  assert.equal(text.match(/^container_cpu_usage_seconds_total\{/gm)?.length, 3);
  assert.match(text, /^container_network_receive_bytes_total\{.*pod="web",interface="eth0"\} 1 1700000000000$/m);
  assert.doesNotMatch(text, /^container_fs_usage_bytes/m, "nothing is made up");
});
