import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { formatCpuSet, parseCpuSet } from "./cpu-set.ts";
import { CpuTopology, readCpuTopology } from "./cpu-topology.ts";
import { takeCpus } from "./take-cpus.ts";

interface Vectors {
  readonly topologies: readonly {
    readonly name: string;
    readonly places: readonly [cpu: number, core: number, socket: number, numa: number][];
    readonly cases: readonly { readonly available: string; readonly count: number; readonly taken: string }[];
  }[];
}
const path = join(import.meta.dirname, "../../../../../test/vectors/cpu-assignment.json");
const { topologies } = JSON.parse(readFileSync(path, "utf8")) as Vectors;

for (const { name, places, cases } of topologies)
  test(`MUST-MATCH: takes the CPUs that a kubelet takes: ${name}`, () => {
    const topology = new CpuTopology(places.map(([cpu, core, socket, numa]) => ({ cpu, core, socket, numa })));
    for (const { available, count, taken } of cases) {
      const got = takeCpus(topology, parseCpuSet(available), count);
      assert.equal(got === undefined ? "error" : formatCpuSet(got), taken, `${count} of ${available}`);
    }
  });

test("lists of CPUs read as they are written, and nothing else is one", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(300)), (cpus) => {
      assert.deepEqual(parseCpuSet(formatCpuSet(new Set(cpus))), new Set(cpus));
    }),
  );
  assert.equal(formatCpuSet(parseCpuSet(" 3,0-1, 2,9\n")), "0-3,9");
  for (const text of ["a", "1-", "-1", "3-1", "1,,2", "0-99999999"]) assert.throws(() => parseCpuSet(text), RangeError);
});

test("reads a machine's topology as the kernel shows it", () => {
  const system = mkdtempSync(join(tmpdir(), "kedge-cpus-"));
  try {
    const write = (file: string, text: string) => {
      mkdirSync(join(system, file, ".."), { recursive: true });
      writeFileSync(join(system, file), text);
    };
    write("cpu/online", "0-2,4\n"); // 3 is switched off, 4 is alone on a second socket
    for (const [cpu, threads, socket] of [
      [0, "0,2", 0],
      [1, "1,3", 0],
      [2, "0,2", 0],
      [4, "4", 1],
    ]) {
      write(`cpu/cpu${cpu}/topology/thread_siblings_list`, `${threads}\n`);
      write(`cpu/cpu${cpu}/topology/physical_package_id`, `${socket}\n`);
    }
    write("node/node0/cpulist", "0-3\n");
    write("node/node1/cpulist", "4\n");
    const topology = readCpuTopology(system);
    assert.deepEqual(
      [...topology.places.values()].map(({ cpu, core, socket, numa }) => [cpu, core, socket, numa]),
      [
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [2, 0, 0, 0],
        [4, 4, 1, 1],
      ],
    );
    assert.deepEqual([topology.sockets, topology.numaNodes], [2, 2]);
    assert.equal(formatCpuSet(topology.siblings(new Set([2]))), "0,2");
    rmSync(join(system, "node"), { recursive: true });
    assert.equal(readCpuTopology(system).numaNodes, 1, "a kernel without NUMA");
  } finally {
    rmSync(system, { recursive: true });
  }
  assert.ok(readCpuTopology().cpus.size > 0, "and this machine's");
});
