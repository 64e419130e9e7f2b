import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import type { EvictionSignal } from "./eviction-signals.ts";
import { evictionMessage } from "./eviction-message.ts";
import type { PodUsage } from "./pod-usage.ts";
import { rankPods } from "./rank-pods.ts";

const Mi = 1024 * 1024;

interface Facts {
  readonly name: string;
  readonly priority?: number;
  readonly requests?: Record<string, string>;
  /** Mi */
  readonly memory?: number;
  readonly root?: number;
  readonly logs?: number;
  readonly volume?: number;
  readonly inodes?: number;
  readonly processes?: number;
  readonly unknown?: boolean;
}

function podOf({ name, priority, requests }: Facts): Pod {
  const resources = requests === undefined ? {} : { resources: { requests } };
  return {
    metadata: { name, uid: name },
    spec: { containers: [{ name: "app", ...resources }], ...(priority !== undefined && { priority }) },
  };
}

function usageOf({ memory, root = 0, logs = 0, volume = 0, inodes = 0, processes }: Facts): PodUsage {
  const memoryBytes = memory === undefined ? undefined : memory * Mi;
  return {
    containers: [
      { name: "app", memoryBytes, rootBytes: root * Mi, rootInodes: inodes, logBytes: logs * Mi, logInodes: 0 },
    ],
    memoryBytes,
    processes,
    volumes: new Map([["data", { bytes: volume * Mi, inodes: 0 }]]),
  };
}

function ranked(facts: readonly Facts[], signal: EvictionSignal, separateImages = false): string {
  const usages = new Map(facts.filter(({ unknown }) => unknown !== true).map((one) => [one.name, usageOf(one)]));
  const pods = rankPods(facts.map(podOf), signal, ({ metadata }) => usages.get(metadata?.uid ?? ""), separateImages);
  return pods.map(({ metadata }) => metadata?.name).join(" ");
}

const cases: {
  name: string;
  signal: EvictionSignal;
  separateImages?: boolean;
  pods: Facts[];
  order: string;
}[] = [
  {
    name: "who takes more than it asked for goes before who does not, however important",
    signal: "memory.available",
    pods: [
      { name: "modest", priority: 0, requests: { memory: "200Mi" }, memory: 100 },
      { name: "greedy", priority: 1000, requests: { memory: "50Mi" }, memory: 60 },
    ],
    order: "greedy modest",
  },
  {
    name: "of those the least important, then who takes most beyond its request",
    signal: "allocatableMemory.available",
    pods: [
      { name: "important", priority: 10, memory: 900 },
      { name: "little", memory: 10 },
      { name: "much", memory: 500 },
      { name: "asked", requests: { memory: "450Mi" }, memory: 500 },
    ],
    order: "much asked little important",
  },
  {
    name: "of whom nothing is known comes first",
    signal: "memory.available",
    pods: [
      { name: "known", memory: 900 },
      { name: "unknown", unknown: true },
    ],
    order: "unknown known",
  },
  {
    name: "on one file system all that was written counts",
    signal: "nodefs.available",
    pods: [
      { name: "logs", logs: 30 },
      { name: "volume", volume: 20 },
      { name: "root", root: 40 },
    ],
    order: "root logs volume",
  },
  {
    name: "with images apart, the node's disk has logs and volumes",
    signal: "nodefs.available",
    separateImages: true,
    pods: [
      { name: "root", root: 40 },
      { name: "logs", logs: 30 },
    ],
    order: "logs root",
  },
  {
    name: "with images apart, theirs has what containers wrote",
    signal: "imagefs.available",
    separateImages: true,
    pods: [
      { name: "logs", logs: 30 },
      { name: "root", root: 10 },
    ],
    order: "root logs",
  },
  {
    name: "inodes count as inodes",
    signal: "nodefs.inodesFree",
    pods: [
      { name: "large", root: 900, inodes: 1 },
      { name: "many", root: 1, inodes: 9000 },
    ],
    order: "many large",
  },
  {
    name: "for processes importance comes first, then their number",
    signal: "pid.available",
    pods: [
      { name: "important", priority: 5, processes: 500 },
      { name: "few", processes: 5 },
      { name: "many", processes: 50 },
    ],
    order: "many few important",
  },
];
for (const { name, signal, separateImages, pods, order } of cases)
  test(name, () => assert.equal(ranked(pods, signal, separateImages), order));

const memory = { signal: "memory.available", value: { share: 0.1 }, graceMs: 0, minimumReclaim: undefined } as const;

test("says why in a kubelet's words: what was low, and who took more than it asked for", () => {
  const facts: Facts = { name: "p", requests: { memory: "20Mi" }, memory: 32 };
  const observations = { "memory.available": { available: 50 * Mi, capacity: 1000 * Mi } };
  assert.equal(
    evictionMessage(podOf(facts), "memory.available", [memory], observations, usageOf(facts)),
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. " +
      "Container app was using 32Mi, request is 20Mi, has larger consumption of memory. ",
  );
});

test("names no container that kept to its request, nor quantities that nobody saw", () => {
  const facts: Facts = { name: "p", requests: { memory: "64Mi" }, memory: 32 };
  assert.equal(
    evictionMessage(podOf(facts), "memory.available", [memory], {}, usageOf(facts)),
    "The node was low on resource: memory. ",
  );
});

test("counts a container's files and logs, and inodes in their own way", () => {
  const facts: Facts = { name: "p", root: 3, logs: 1 };
  const disk = { ...memory, signal: "nodefs.available" } as const;
  const seen = { "nodefs.available": { available: 5 * Mi, capacity: 100 * Mi } };
  assert.equal(
    evictionMessage(podOf(facts), "nodefs.available", [disk], seen, usageOf(facts)),
    "The node was low on resource: ephemeral-storage. Threshold quantity: 10Mi, available: 5Mi. " +
      "Container app was using 4Mi, request is 0, has larger consumption of ephemeral-storage. ",
  );
  const inodes = { ...memory, signal: "nodefs.inodesFree" } as const;
  assert.equal(
    evictionMessage(
      podOf(facts),
      "nodefs.inodesFree",
      [inodes],
      { "nodefs.inodesFree": { available: 5, capacity: 50_000 } },
      undefined,
    ),
    "The node was low on resource: inodes. Threshold quantity: 5k, available: 5. ",
  );
});
