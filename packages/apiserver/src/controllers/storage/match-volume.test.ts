import assert from "node:assert/strict";
import { test } from "node:test";
import type { PersistentVolume, PersistentVolumeClaim } from "@kedge/kube";
import { matchVolume } from "./match-volume.ts";

type VolumeSpec = NonNullable<PersistentVolume["spec"]>;
type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;

const volume = (name: string, storage: string, spec: VolumeSpec = {}, metadata: object = {}): PersistentVolume => ({
  metadata: { name, ...metadata },
  spec: { accessModes: ["ReadWriteOnce"], capacity: { storage }, ...spec },
});
const claim = (spec: ClaimSpec = {}): PersistentVolumeClaim => ({
  metadata: { name: "c", namespace: "n", uid: "u" },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
});
const here = { metadata: { name: "here", labels: { host: "here" } } };
const onHost = (host: string) => ({
  nodeAffinity: {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "host", operator: "In", values: [host] }] }] },
  },
});
const ref = (name: string, uid?: string) => ({ claimRef: { namespace: "n", name, ...(uid !== undefined && { uid }) } });

const cases: readonly { name: string; claim?: ClaimSpec; volumes: PersistentVolume[]; found: string | undefined }[] = [
  {
    name: "the smallest that is large enough",
    volumes: [volume("l", "9Gi"), volume("m", "1024Mi"), volume("s", "1G")],
    found: "m",
  },
  { name: "none that is too small", volumes: [volume("s", "1G")], found: undefined },
  {
    name: "one that was made for it, though larger",
    volumes: [volume("m", "1Gi"), volume("own", "9Gi", ref("c"))],
    found: "own",
  },
  { name: "none that is another claim's", volumes: [volume("m", "1Gi", ref("other"))], found: undefined },
  { name: "none of an earlier claim of its name", volumes: [volume("m", "1Gi", ref("c", "older"))], found: undefined },
  { name: "none of another class", volumes: [volume("m", "1Gi", { storageClassName: "x" })], found: undefined },
  {
    name: "none without the access mode",
    claim: { accessModes: ["ReadWriteMany"] },
    volumes: [volume("m", "1Gi")],
    found: undefined,
  },
  {
    name: "none of another volume mode",
    claim: { volumeMode: "Block" },
    volumes: [volume("m", "1Gi")],
    found: undefined,
  },
  {
    name: "none that is on another node",
    volumes: [volume("m", "1Gi", onHost("there")), volume("n", "2Gi", onHost("here"))],
    found: "n",
  },
  {
    name: "none that is being deleted",
    volumes: [volume("m", "1Gi", {}, { deletionTimestamp: "2026-01-01T00:00:00Z" })],
    found: undefined,
  },
  {
    name: "what the selector asks for",
    claim: { selector: { matchLabels: { tier: "fast" } } },
    volumes: [volume("m", "1Gi"), volume("f", "2Gi", {}, { labels: { tier: "fast" } })],
    found: "f",
  },
];
for (const { name, claim: spec, volumes, found } of cases)
  test(`a claim gets ${name}`, () => assert.equal(matchVolume(claim(spec), volumes, here)?.metadata?.name, found));
