import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeleteOptions, KubeObject } from "@kedge/kube";
import { markDeleted, mayBeRemoved } from "./delete-plan.ts";

const NOW_MS = Date.parse("2026-01-02T03:04:05Z");

function pod(spec: object, metadata: object = {}, status: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p", ...metadata }, spec, status } as KubeObject;
}
const configMap = (metadata: object = {}): KubeObject => ({ apiVersion: "v1", kind: "ConfigMap", metadata });
const namespace = (finalizers: string[], metadata: object = {}): KubeObject =>
  ({ apiVersion: "v1", kind: "Namespace", metadata, spec: { finalizers } }) as KubeObject;
const dying = (seconds: number) => ({ deletionTimestamp: "2026-01-02T03:04:35Z", deletionGracePeriodSeconds: seconds });

interface Case {
  readonly name: string;
  readonly object: KubeObject;
  readonly options?: DeleteOptions;
  readonly gone: boolean;
  readonly grace?: number | undefined;
  readonly finalizers?: string[];
}

const cases: readonly Case[] = [
  { name: "a ConfigMap goes at once", object: configMap(), gone: true, grace: 0 },
  { name: "a finalizer holds it", object: configMap({ finalizers: ["x"] }), gone: false, grace: 0, finalizers: ["x"] },
  { name: "a pod that no node has goes at once", object: pod({}), gone: true, grace: 0 },
  { name: "a pod on a node has 30 s", object: pod({ nodeName: "n" }), gone: false, grace: 30 },
  { name: "or what it says", object: pod({ nodeName: "n", terminationGracePeriodSeconds: 7 }), gone: false, grace: 7 },
  {
    name: "or what the caller says",
    object: pod({ nodeName: "n" }),
    options: { gracePeriodSeconds: 3 },
    gone: false,
    grace: 3,
  },
  {
    name: "nothing, if the caller insists",
    object: pod({ nodeName: "n" }),
    options: { gracePeriodSeconds: 0 },
    gone: true,
    grace: 0,
  },
  {
    name: "a negative grace is one second",
    object: pod({ nodeName: "n" }),
    options: { gracePeriodSeconds: -1 },
    gone: false,
    grace: 1,
  },
  {
    name: "a pod that has ended goes at once",
    object: pod({ nodeName: "n" }, {}, { phase: "Succeeded" }),
    gone: true,
    grace: 0,
  },
  {
    name: "a deletion may be hurried",
    object: pod({ nodeName: "n" }, dying(30)),
    options: { gracePeriodSeconds: 5 },
    gone: false,
    grace: 5,
  },
  {
    name: "but not delayed",
    object: pod({ nodeName: "n" }, dying(5)),
    options: { gracePeriodSeconds: 50 },
    gone: false,
    grace: 5,
  },
  {
    name: "the kubelet ends it",
    object: pod({ nodeName: "n" }, dying(30)),
    options: { gracePeriodSeconds: 0 },
    gone: true,
    grace: 0,
  },
  {
    name: "orphaning waits for the collector",
    object: configMap(),
    options: { propagationPolicy: "Orphan" },
    gone: false,
    grace: 0,
    finalizers: ["orphan"],
  },
  {
    name: "the old way to say so",
    object: configMap(),
    options: { orphanDependents: true },
    gone: false,
    grace: 0,
    finalizers: ["orphan"],
  },
  {
    name: "the foreground, too",
    object: configMap(),
    options: { propagationPolicy: "Foreground" },
    gone: false,
    grace: 0,
    finalizers: ["foregroundDeletion"],
  },
  {
    name: "in the background it does not",
    object: configMap({ finalizers: ["orphan"] }),
    options: { propagationPolicy: "Background" },
    gone: true,
    grace: 0,
  },
  { name: "a namespace waits for its controller", object: namespace(["kubernetes"]), gone: false, grace: undefined },
  { name: "and then goes", object: namespace([]), gone: true, grace: undefined },
];
for (const { name, object, options = {}, gone, grace, finalizers } of cases)
  test(name, () => {
    markDeleted(object, options, NOW_MS);
    assert.equal(mayBeRemoved(object), gone);
    assert.equal(object.metadata?.deletionGracePeriodSeconds, grace);
    assert.deepEqual(object.metadata?.finalizers, finalizers);
  });

test("the time of a hurried deletion counts from when it was first asked for", () => {
  const object = pod({ nodeName: "n" }, dying(30));
  markDeleted(object, { gracePeriodSeconds: 5 }, NOW_MS);
  assert.equal(object.metadata?.deletionTimestamp, "2026-01-02T03:04:10Z");
});

test("what nobody deletes is not removed", () => assert.equal(mayBeRemoved(configMap()), false));
