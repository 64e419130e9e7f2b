import type { Exchange } from "./exchanges.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS = "/apis/parity.kedge.io/v1/namespaces/default/things";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const MERGE = "application/merge-patch+json";
const APPLY = "application/apply-patch+yaml";

const schema = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["mode"],
      properties: {
        mode: { type: "string", enum: ["on", "off"] },
        size: { type: "integer", minimum: 1, maximum: 9, default: 3 },
        name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        port: { "x-kubernetes-int-or-string": true },
        items: {
          type: "array",
          maxItems: 2,
          items: {
            type: "object",
            required: ["key"],
            properties: { key: { type: "string" }, value: { type: "string" } },
          },
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["key"],
        },
        labels: { type: "object", additionalProperties: { type: "string" } },
      },
    },
    status: { type: "object", properties: { size: { type: "integer" }, note: { type: "string" } } },
  },
};
const definition = {
  metadata: { name: "things.parity.kedge.io" },
  spec: {
    group: "parity.kedge.io",
    scope: "Namespaced",
    names: { kind: "Thing", plural: "things", singular: "thing", shortNames: ["th"], categories: ["all"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {}, scale: { specReplicasPath: ".spec.size", statusReplicasPath: ".status.size" } },
        additionalPrinterColumns: [
          { name: "Mode", type: "string", jsonPath: ".spec.mode" },
          { name: "Size", type: "integer", jsonPath: ".spec.size", priority: 1 },
        ],
      },
    ],
  },
};
const thing = (name: string, spec: object, extra: object = {}) => ({
  apiVersion: "parity.kedge.io/v1",
  kind: "Thing",
  metadata: { name },
  spec,
  ...extra,
});

/** The same with a CustomResourceDefinition. */
export const CUSTOM_EXCHANGES: readonly Exchange[] = [
  {
    name: "a definition under a wrong name",
    method: "POST",
    path: CRDS,
    body: { ...definition, metadata: { name: "wrong" } },
    statusOnly: true,
  },
  { name: "define", method: "POST", path: CRDS, body: definition, statusOnly: true },
  { name: "served once established", method: "GET", path: THINGS, until: 200 },
  { name: "in discovery", method: "GET", path: "/apis/parity.kedge.io/v1", until: 200, statusOnly: true },
  { name: "the group", method: "GET", path: "/apis/parity.kedge.io", until: 200 },
  { name: "create, defaulted", method: "POST", path: THINGS, body: thing("a", { mode: "on" }) },
  {
    name: "create, pruned with a warning",
    method: "POST",
    path: THINGS,
    body: thing("b", { mode: "on", nope: 1, free: { any: { thing: 1 } }, port: "http" }),
  },
  {
    name: "patch a custom resource to another uid",
    method: "PATCH",
    path: `${THINGS}/a`,
    body: { metadata: { uid: "other" } },
    contentType: "application/merge-patch+json",
  },
  {
    name: "create, strictly",
    method: "POST",
    path: `${THINGS}?fieldValidation=Strict`,
    body: thing("s", { mode: "on", nope: 1 }),
    statusOnly: true,
  },
  {
    name: "create, ignoring what is unknown",
    method: "POST",
    path: `${THINGS}?fieldValidation=Ignore`,
    body: thing("c", { mode: "off", nope: 1 }),
  },
  {
    name: "no status on creation",
    method: "POST",
    path: THINGS,
    body: thing("d", { mode: "on" }, { status: { size: 4 } }),
  },
  { name: "a required field is missing", method: "POST", path: THINGS, body: thing("x", {}) },
  {
    name: "everything required is missing",
    method: "POST",
    path: THINGS,
    body: { apiVersion: "parity.kedge.io/v1", kind: "Thing", metadata: { name: "x" } },
  },
  { name: "not one of the values", method: "POST", path: THINGS, body: thing("x", { mode: "maybe" }) },
  { name: "too large", method: "POST", path: THINGS, body: thing("x", { mode: "on", size: 10 }) },
  { name: "too small", method: "POST", path: THINGS, body: thing("x", { mode: "on", size: 0 }) },
  {
    name: "a wrong type",
    method: "POST",
    path: THINGS,
    body: thing("x", { mode: "on", size: "3" }),
    statusOnly: true, // they complain twice
  },
  { name: "a pattern", method: "POST", path: THINGS, body: thing("x", { mode: "on", name: "A" }) },
  {
    name: "too long",
    method: "POST",
    path: THINGS,
    body: thing("x", { mode: "on", name: "abcdef" }),
    statusOnly: true,
  },
  {
    name: "too many",
    method: "POST",
    path: THINGS,
    body: thing("x", { mode: "on", items: [{ key: "a" }, { key: "b" }, { key: "c" }] }),
    statusOnly: true,
  },
  {
    name: "a key twice",
    method: "POST",
    path: THINGS,
    body: thing("x", { mode: "on", items: [{ key: "a" }, { key: "a" }] }),
  },
  { name: "a bad name", method: "POST", path: THINGS, body: thing("Bad_Name", { mode: "on" }), statusOnly: true },
  { name: "an update without a version", method: "PUT", path: `${THINGS}/a`, body: thing("a", { mode: "off" }) },
  { name: "a merge patch", method: "PATCH", path: `${THINGS}/a`, body: { spec: { mode: "off" } }, contentType: MERGE },
  {
    name: "no strategic merge",
    method: "PATCH",
    path: `${THINGS}/a`,
    body: {},
    contentType: "application/strategic-merge-patch+json",
    statusOnly: true,
  },
  {
    name: "a patch to something invalid",
    method: "PATCH",
    path: `${THINGS}/a`,
    body: { spec: { size: 99 } },
    contentType: MERGE,
  },
  {
    name: "its status",
    method: "PATCH",
    path: `${THINGS}/a/status`,
    body: { spec: { mode: "on" }, status: { size: 2, note: "x", nope: 1 } },
    contentType: MERGE,
  },
  {
    name: "labels do not raise the generation",
    method: "PATCH",
    path: `${THINGS}/a`,
    body: { metadata: { labels: { a: "b" } } },
    contentType: MERGE,
  },
  { name: "its scale", method: "GET", path: `${THINGS}/a/scale` },
  { name: "scale it", method: "PATCH", path: `${THINGS}/a/scale`, body: { spec: { replicas: 5 } }, contentType: MERGE },
  {
    name: "scale it too far",
    method: "PATCH",
    path: `${THINGS}/a/scale`,
    body: { spec: { replicas: 50 } },
    contentType: MERGE,
    statusOnly: true,
  },
  {
    name: "apply",
    method: "PATCH",
    path: `${THINGS}/applied?fieldManager=me`,
    body: thing("applied", { mode: "on" }),
    contentType: APPLY,
  },
  { name: "after all that", method: "GET", path: `${THINGS}/a` },
  { name: "a list", method: "GET", path: `${THINGS}?fieldSelector=metadata.name%3Da` },
  { name: "a table", method: "GET", path: `${THINGS}?fieldSelector=metadata.name%3Da`, accept: TABLE },
  {
    name: "an unknown field selector",
    method: "GET",
    path: `${THINGS}?fieldSelector=spec.mode%3Don`,
    statusOnly: true,
  },
  { name: "delete", method: "DELETE", path: `${THINGS}/a` },
  { name: "delete all", method: "DELETE", path: THINGS, statusOnly: true },
  {
    name: "another scope cannot be chosen",
    method: "PATCH",
    path: `${CRDS}/things.parity.kedge.io`,
    body: { spec: { scope: "Cluster" } },
    contentType: MERGE,
    statusOnly: true,
  },
  { name: "undefine", method: "DELETE", path: `${CRDS}/things.parity.kedge.io`, statusOnly: true },
  { name: "gone", method: "GET", path: `${CRDS}/things.parity.kedge.io`, until: 404 },
];
