import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@kedge/kube";
import { builtinSchema } from "../openapi/builtin-schemas.ts";
import { decodeBuiltin } from "./decode-builtin.ts";
import { DecodeError } from "./decode-error.ts";

const POD = builtinSchema("io.k8s.api.core.v1.Pod");
const LEASE = builtinSchema("io.k8s.api.coordination.v1.Lease");
const SECRET = builtinSchema("io.k8s.api.core.v1.Secret");

test("unknown members go, and are told", () => {
  const pod: JsonObject = {
    metadata: { name: "p", odd: 1 },
    spec: { containers: [{ name: "c", odd: { a: 1 } }] },
    odd: 1,
  };
  assert.deepEqual(decodeBuiltin(pod, POD), ["metadata.odd", "spec.containers[0].odd", "odd"]);
  assert.deepEqual(pod, { metadata: { name: "p" }, spec: { containers: [{ name: "c" }] } });
});

test("nulls, empty lists and maps, and Go's zero values count as absent", () => {
  const pod: JsonObject = {
    metadata: { labels: {}, annotations: { a: null }, finalizers: [] },
    spec: {
      volumes: null,
      hostNetwork: false,
      nodeName: "",
      terminationGracePeriodSeconds: 0,
      enableServiceLinks: false,
      containers: [{ name: "c", command: [], securityContext: {} }],
    },
  };
  assert.deepEqual(decodeBuiltin(pod, POD), []);
  assert.deepEqual(pod, {
    metadata: { annotations: { a: "" } },
    spec: {
      terminationGracePeriodSeconds: 0,
      enableServiceLinks: false,
      containers: [{ name: "c", securityContext: {} }],
    },
  });
});

test("quantities, times and binary data get one form", () => {
  const pod: JsonObject = {
    metadata: { deletionTimestamp: "2026-01-01T02:00:00.9+02:00" },
    spec: { containers: [{ resources: { limits: { cpu: 0.5, memory: "1024Mi" } } }] },
  };
  decodeBuiltin(pod, POD);
  assert.deepEqual(pod, {
    metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
    spec: { containers: [{ resources: { limits: { cpu: "500m", memory: "1Gi" } } }] },
  });
  const lease: JsonObject = { spec: { renewTime: "2026-01-01T00:00:00.5Z" } };
  decodeBuiltin(lease, LEASE);
  assert.deepEqual(lease, { spec: { renewTime: "2026-01-01T00:00:00.500000Z" } });
});

const bad: { name: string; object: JsonObject; schema: typeof POD }[] = [
  { name: "text for a number", object: { spec: { terminationGracePeriodSeconds: "30" } }, schema: POD },
  { name: "a fraction for a whole number", object: { spec: { priority: 1.5 } }, schema: POD },
  { name: "a number for text", object: { metadata: { labels: { a: 1 } } }, schema: POD },
  { name: "an object for a list", object: { spec: { containers: {} } }, schema: POD },
  { name: "a list for an object", object: { spec: [] }, schema: POD },
  { name: "a bad quantity", object: { spec: { overhead: { cpu: "much" } } }, schema: POD },
  { name: "a bad time", object: { metadata: { deletionTimestamp: "now" } }, schema: POD },
  { name: "bad base64", object: { data: { a: "?" } }, schema: SECRET },
];
for (const { name, object, schema } of bad)
  test(`refuses ${name}`, () => assert.throws(() => decodeBuiltin(object, schema), DecodeError));

test("members called like those of every object are unknown, too", () => {
  const pod = JSON.parse(`{"constructor":1,"__proto__":{"x":1},"toString":"a"}`) as JsonObject;
  assert.deepEqual(decodeBuiltin(pod, POD).toSorted(), ["__proto__", "constructor", "toString"]);
  assert.deepEqual(Object.keys(pod), []);
});

test("what nests without end is refused", () => {
  let value: JsonObject = {};
  for (let i = 0; i < 10_000; i += 1) value = { properties: { a: value } };
  const crd = builtinSchema("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition");
  const object: JsonObject = { spec: { versions: [{ schema: { openAPIV3Schema: value } }] } };
  assert.throws(() => decodeBuiltin(object, crd), DecodeError);
});
