import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeStatus, Node } from "@kedge/kube";
import { hasCode, toError } from "@kedge/runtime";
import { answer, frame, MetaManagerBed, pod } from "./metamanager-bed.test-data.ts";

const key = { namespace: "default", name: "nginx" };
const patchOf = (uid: string) => JSON.stringify({ metadata: { uid }, status: {} });
const failure = (status: KubeStatus) => ({ Object: null, Err: { ErrStatus: { status: "Failure", ...status } } });
const details = { name: "nginx", kind: "pods" };
const GONE = failure({ reason: "NotFound", code: 404, message: 'pods "nginx" not found', details });

/** Tells the cloud a pod's status, and what is stored of the pod then. */
async function storedAfter(bed: MetaManagerBed, content: unknown, uid = "u1"): Promise<string | undefined> {
  bed.cloud = (request) => (content === "away" ? "away" : answer(request, content));
  const asked = bed.bus.request("meta/patchPodStatus", { key, patch: patchOf(uid) }, bed.signal);
  const error = await asked.then(() => undefined, toError);
  assert.ok(error);
  if (bed.row("default/pod/nginx") === undefined) assert.ok(hasCode(error, "NotFound"));
  return bed.row("default/pod/nginx");
}

const ends: { readonly name: string; readonly content: unknown }[] = [
  { name: "NotFound", content: GONE },
  {
    // as kube-apiserver 1.36 answers
    name: "another uid: Invalid",
    content: failure({
      reason: "Invalid",
      code: 422,
      message: 'Pod "nginx" is invalid: metadata.uid: Invalid value: "u1": field is immutable',
      details: { name: "nginx", kind: "Pod", causes: [{ reason: "FieldValueInvalid", field: "metadata.uid" }] },
    }),
  },
  {
    name: "another uid: Conflict",
    content: failure({
      reason: "Conflict",
      code: 409,
      message: "Precondition failed: UID in precondition: u1, UID in object meta: u2",
      details,
    }),
  },
];
for (const { name, content } of ends)
  test(`a pod that the API server does not have any more ends here, too: ${name}`, async () => {
    await using bed = await MetaManagerBed.start();
    await bed.push("insert", "pod", pod("nginx", "u1", "5"));
    bed.changed.length = 0;
    assert.equal(await storedAfter(bed, content), undefined);
    assert.deepEqual(bed.changed, ["pod default/nginx"]);
    assert.equal(bed.row("default/podpatch/nginx"), undefined);
  });

const stays: { readonly name: string; readonly content: unknown; readonly uid?: string }[] = [
  { name: "the cloud is away", content: "away" },
  { name: "an error without words", content: { Object: null, Err: {} } },
  {
    name: "recorded from a stock cloud that did not reach its API server",
    content: frame("resp_podpatch_transport_error").content,
  },
  {
    name: "a 404 that names nothing",
    content: failure({ reason: "NotFound", code: 404, message: "page not found", details: {} }),
  },
  {
    name: "a namespace",
    content: failure({ reason: "NotFound", code: 404, details: { name: "default", kind: "namespaces" } }),
  },
  {
    name: "another pod",
    content: failure({ reason: "NotFound", code: 404, details: { name: "other", kind: "pods" } }),
  },
  {
    name: "an API server that starts",
    content: failure({ reason: "ServiceUnavailable", code: 503, details }),
  },
  {
    name: "changed meanwhile",
    content: failure({ reason: "Conflict", code: 409, message: "the object has been modified", details }),
  },
  { name: "forbidden", content: failure({ reason: "Forbidden", code: 403, details }) },
  { name: "its successor of the same name", content: GONE, uid: "u0" },
];
for (const { name, content, uid } of stays)
  test(`nothing else ends a pod: ${name}`, async () => {
    await using bed = await MetaManagerBed.start();
    await bed.push("insert", "pod", pod("nginx", "u1", "5"));
    assert.ok(await storedAfter(bed, content, uid));
  });

for (const annotation of [{ "kubernetes.io/config.mirror": "x" }, { "kubernetes.io/config.source": "file" }])
  test(`a static pod stays whatever the API server says: ${Object.keys(annotation)[0]}`, async () => {
    await using bed = await MetaManagerBed.start();
    const { metadata, ...rest } = pod("nginx", "u1", "5");
    await bed.push("insert", "pod", { ...rest, metadata: { ...metadata, annotations: annotation } });
    assert.ok(await storedAfter(bed, GONE));
  });

test("a patch that was kept while the cloud was away ends a pod, too", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.push("insert", "pod", pod("nginx", "u1", "5"));
  assert.ok(await storedAfter(bed, "away"));
  assert.ok(bed.row("default/podpatch/nginx"));
  const removed = Promise.withResolvers<void>();
  bed.bus.listen("meta/podChanged", () => removed.resolve());
  bed.cloud = (request) => answer(request, GONE);
  bed.bus.notify("hub/connection", { connected: true });
  await removed.promise;
  assert.equal(bed.row("default/pod/nginx"), undefined);
});

test("a node that was created anew is stored as what a status patch is answered with", async () => {
  await using bed = await MetaManagerBed.start();
  const node = (uid: string, resourceVersion: string): Node => ({ metadata: { name: "edge-1", uid, resourceVersion } });
  bed.cloud = (request) => answer(request, { Object: node("n1", "5"), Err: null });
  await bed.bus.request("meta/registerNode", node("", ""), bed.signal);
  bed.cloud = (request) => answer(request, { Object: node("n2", "9"), Err: null });
  await bed.bus.request("meta/patchNodeStatus", { name: "edge-1", patch: "{}" }, bed.signal);
  assert.equal((await bed.bus.request("meta/getNode", { name: "edge-1" }, bed.signal))?.metadata?.uid, "n2");
});
