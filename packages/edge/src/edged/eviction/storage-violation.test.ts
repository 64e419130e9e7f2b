import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod, Volume } from "@kedge/kube";
import type { PodUsage } from "./pod-usage.ts";
import { hasStorageLimit, storageViolation } from "./storage-violation.ts";

const Mi = 1024 * 1024;
const podOf = (containers: Partial<Container>[], volumes: Volume[] = []): Pod => ({
  spec: { containers: containers.map((container, index) => ({ name: `c${index}`, ...container })), volumes },
});
const limited = (text: string): Partial<Container> => ({ resources: { limits: { "ephemeral-storage": text } } });
const usage = (roots: number[], logs: number[], volumes: Record<string, number> = {}): PodUsage => ({
  containers: roots.map((root, index) => ({
    name: `c${index}`,
    memoryBytes: undefined,
    rootBytes: root * Mi,
    rootInodes: 1,
    logBytes: (logs[index] ?? 0) * Mi,
    logInodes: 1,
  })),
  memoryBytes: undefined,
  processes: undefined,
  volumes: new Map(Object.entries(volumes).map(([name, bytes]) => [name, { bytes: bytes * Mi, inodes: 1 }])),
});
const data = (emptyDir: NonNullable<Volume["emptyDir"]>): Volume[] => [{ name: "data", emptyDir }];

const cases: {
  name: string;
  pod: Pod;
  usage: PodUsage;
  separateImages?: boolean;
  says: string | undefined;
}[] = [
  { name: "nothing limits it", pod: podOf([{}], data({})), usage: usage([999], [999], { data: 999 }), says: undefined },
  {
    name: "an emptyDir at its limit is within it",
    pod: podOf([{}], data({ sizeLimit: "10Mi" })),
    usage: usage([0], [0], { data: 10 }),
    says: undefined,
  },
  {
    name: "an emptyDir above its limit",
    pod: podOf([{}], data({ sizeLimit: "10Mi" })),
    usage: usage([0], [0], { data: 11 }),
    says: 'Usage of EmptyDir volume "data" exceeds the limit "10Mi". ',
  },
  {
    name: "one in memory is the kernel's business",
    pod: podOf([{}], data({ medium: "Memory", sizeLimit: "1Mi" })),
    usage: usage([0], [0], { data: 50 }),
    says: undefined,
  },
  {
    name: "all containers and volumes together",
    pod: podOf([limited("10Mi"), limited("10Mi")], data({})),
    usage: usage([5, 5], [1, 1], { data: 9 }),
    says: "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
  },
  {
    name: "one container, while the pod keeps to its limit",
    pod: podOf([limited("10Mi"), limited("30Mi")]),
    usage: usage([9, 0], [2, 0]),
    says: 'Container c0 exceeded its local ephemeral storage limit "10Mi". ',
  },
  {
    name: "what it wrote beside logs does not count on another file system",
    pod: podOf([limited("10Mi"), limited("30Mi")]),
    usage: usage([9, 0], [2, 0]),
    separateImages: true,
    says: undefined,
  },
];
for (const { name, pod, usage: used, separateImages = false, says } of cases)
  test(name, () => assert.equal(storageViolation(pod, used, separateImages), says));

test("only who has a limit is measured", () => {
  assert.equal(hasStorageLimit(podOf([{}], data({}))), false);
  assert.equal(hasStorageLimit(podOf([{}], data({ medium: "Memory", sizeLimit: "1Mi" }))), false);
  assert.equal(hasStorageLimit(podOf([{}], data({ sizeLimit: "1Mi" }))), true);
  assert.equal(hasStorageLimit(podOf([{}, limited("1Gi")])), true);
});
