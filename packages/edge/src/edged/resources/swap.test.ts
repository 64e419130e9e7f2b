import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { linuxResources } from "./linux-resources.ts";
import { hasSwapController, swapBytes, type SwapFacts, swapCapacityBytes } from "./swap.ts";

type List = Record<string, string>;

const GIB = 1024 ** 3;
const facts: SwapFacts = {
  behavior: "LimitedSwap",
  cgroupVersion: 2,
  memoryCapacityBytes: 16 * GIB,
  swapCapacityBytes: 8 * GIB,
};

function pod(requests: List, limits: List, spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return {
    metadata: { name: "p", uid: "u" },
    spec: { containers: [{ name: "a", resources: { requests, limits } }], ...spec },
  };
}

const cases: { name: string; pod: Pod; facts?: Partial<SwapFacts>; bytes: number }[] = [
  { name: "Burstable: its share", pod: pod({ memory: "4Gi" }, { memory: "8Gi" }), bytes: 2 * GIB },
  { name: "Burstable without a limit", pod: pod({ memory: "1Gi" }, {}), bytes: GIB / 2 },
  { name: "Burstable without memory", pod: pod({ cpu: "1" }, {}), bytes: 0 },
  { name: "request equal to limit", pod: pod({ memory: "1Gi", cpu: "1" }, { memory: "1Gi" }), bytes: 0 },
  { name: "BestEffort", pod: pod({}, {}), bytes: 0 },
  { name: "critical", pod: pod({ memory: "1Gi" }, {}, { priority: 2_000_000_000 }), bytes: 0 },
  { name: "more than the machine has", pod: pod({ memory: "32Gi" }, {}), bytes: 0 },
  { name: "NoSwap", pod: pod({ memory: "4Gi" }, {}), facts: { behavior: "NoSwap" }, bytes: 0 },
  { name: "cgroup v1", pod: pod({ memory: "4Gi" }, {}), facts: { cgroupVersion: 1 }, bytes: 0 },
];
for (const { name, pod: given, facts: more, bytes } of cases)
  test(`swap: ${name}`, () => {
    const [first] = given.spec?.containers ?? [];
    assert.ok(first);
    assert.equal(swapBytes(given, first, { ...facts, ...more }), bytes);
  });

test("swap limits go to the runtime as version 2's file", () => {
  const given = pod({ memory: "4Gi" }, { memory: "8Gi" });
  const [first] = given.spec?.containers ?? [];
  assert.ok(first);
  const options = { ...facts, swapController: true, swapBehavior: facts.behavior };
  assert.equal(linuxResources(given, first, options).unified?.["memory.swap.max"], String(2 * GIB));
});

test("looks where the kernel shows that it limits swap", () => {
  const root = mkdtempSync(join(tmpdir(), "kedge-swap-"));
  try {
    const self = join(root, "self");
    writeFileSync(self, "0::/system.slice/edgecore.service\n");
    assert.deepEqual([hasSwapController(1, root, self), hasSwapController(2, root, self)], [false, false]);
    mkdirSync(join(root, "memory"));
    writeFileSync(join(root, "memory/memory.memsw.limit_in_bytes"), "");
    mkdirSync(join(root, "system.slice/edgecore.service"), { recursive: true });
    writeFileSync(join(root, "system.slice/edgecore.service/memory.swap.max"), "");
    assert.deepEqual([hasSwapController(1, root, self), hasSwapController(2, root, self)], [true, true]);
    assert.equal(swapCapacityBytes("MemTotal: 9 kB\nSwapTotal:       2048 kB\n"), 2 * 1024 ** 2);
  } finally {
    rmSync(root, { recursive: true });
  }
});
