import assert from "node:assert/strict";
import { test } from "node:test";
import { apiVersionOf } from "@kedge/kube";
import fc from "fast-check";
import { builtinResources } from "../src/resources/builtin-resources.ts";
import { startTestServer } from "./start-test-server.ts";

const RUNS = 3000;
const DEFINITIONS = builtinResources();

/** What a hostile or careless client might put where something else belongs. */
const junk = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      null,
      true,
      0,
      -1,
      1e300,
      "",
      "x",
      "-",
      "10Mi",
      [],
      {},
      [null],
      [[]],
      "__proto__",
      "2026-01-01T00:00:00Z",
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);
const NAMES = ["name", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "generateName", "uid"];
const SPEC = [
  "containers",
  "template",
  "selector",
  "replicas",
  "ports",
  "rules",
  "volumes",
  "tolerations",
  "strategy",
  "type",
  "clusterIP",
  "versions",
  "names",
  "taints",
  "request",
];
const members = (names: readonly string[]) =>
  fc.oneof(
    fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(junk, fc.dictionary(fc.constantFrom(...names, "matchLabels", "spec", "metadata"), junk)),
    ),
    junk,
  );
const body = fc.record(
  {
    apiVersion: fc.constantFrom(undefined, "v1", "x", 1),
    kind: fc.constantFrom(undefined, "Pod", 1),
    metadata: members(NAMES),
    spec: members(SPEC),
    status: members(["conditions", "phase", "replicas"]),
    data: junk,
    subsets: junk,
    rules: junk,
    roleRef: junk,
    subjects: junk,
    value: junk,
    involvedObject: junk,
    endpoints: junk,
  },
  { requiredKeys: [] },
);

const request = fc.record({
  definition: fc.constantFrom(...DEFINITIONS),
  method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE"),
  name: fc.constantFrom(
    "",
    "/x",
    "/x/status",
    "/x/scale",
    "/x/binding",
    "/x/eviction",
    "/x/token",
    "/x/approval",
    "/x/finalize",
  ),
  contentType: fc.constantFrom(
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
  ),
  query: fc.constantFrom(
    "",
    "?dryRun=All",
    "?fieldManager=f&force=true",
    "?limit=-1",
    "?watch=1&timeoutSeconds=x",
    "?labelSelector=a%20in%20(",
    "?fieldSelector=x",
    "?resourceVersion=9999999999",
    "?continue=AAAA",
    "?gracePeriodSeconds=x",
    "?fieldValidation=Strict",
    "?includeObject=x",
  ),
  accept: fc.constantFrom(
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
  ),
  body: fc.oneof(
    { weight: 8, arbitrary: body },
    { weight: 1, arbitrary: junk },
    { weight: 1, arbitrary: fc.constant([{ op: "add", path: "/spec", value: {} }]) },
  ),
});

test(`whatever is sent, the answer is no server error (${RUNS} requests)`, { timeout: 120_000 }, async () => {
  await using server = await startTestServer();
  const { transport } = server.api;
  const signal = AbortSignal.timeout(110_000);
  const send = async ({
    definition,
    method,
    name,
    contentType,
    query,
    accept,
    body: sent,
  }: typeof request extends fc.Arbitrary<infer T> ? T : never) => {
    const { type } = definition;
    const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
    const path = `${root}${type.namespaced ? "/namespaces/default" : ""}/${type.resource}${name}${query}`;
    const hasBody = method !== "GET";
    const response = await transport.request({
      method,
      path,
      headers: { accept, ...(hasBody ? { "content-type": contentType } : {}) },
      body: hasBody ? Buffer.from(JSON.stringify(sent) ?? "") : undefined,
      signal,
    });
    const text = Buffer.concat(await Array.fromAsync(response.body)).toString();
    // 504: a version of the future, which may come.
    assert.ok(response.status < 500 || response.status === 504, `${method} ${path}: ${response.status} ${text}`);
  };
  await fc.assert(fc.asyncProperty(request, send), { numRuns: RUNS });
  const health = await transport.request({ method: "GET", path: "/readyz", headers: {}, signal });
  assert.equal(health.status, 200);
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});
