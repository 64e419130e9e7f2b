import assert from "node:assert/strict";
import { test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { CONFIG_MAPS, LEASES, NODES, PODS } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { ChannelBed } from "./channel-bed.ts";

const options = { timeout: 120_000, skip: TestKubernetes.missing() };

test("our edge and our cloud carry a node's life between them, on a real API server", options, async () => {
  await using bed = await ChannelBed.start();
  const { kube, signal } = bed;
  const ask = ((topic, request) => bed.bus.request(topic, request, signal)) as <
    K extends Parameters<typeof bed.bus.request>[0],
  >(
    topic: K,
    request: Parameters<typeof bed.bus.request<K>>[1],
  ) => ReturnType<typeof bed.bus.request<K>>;
  const web = { namespace: "default", name: "web" };
  const cfg = { namespace: "default", name: "cfg" };

  // The node registers, reports, and renews its lease.
  const node = await bed.register();
  assert.equal(node.metadata?.labels?.["node-role.kubernetes.io/edge"], "");
  assert.equal((await bed.register()).metadata?.uid, node.metadata?.uid, "a second time it is known");
  const ready = { type: "Ready", status: "True", reason: "EdgeReady", message: "edge is posting ready status" };
  const statusPatch = JSON.stringify({ status: { conditions: [ready] } });
  const patched = await ask("meta/patchNodeStatus", { name: bed.nodeName, patch: statusPatch });
  assert.equal(patched.status?.conditions?.find(({ type }) => type === "Ready")?.status, "True");
  assert.equal((await kube.get(NODES, { name: bed.nodeName }, signal)).status?.conditions?.[0]?.reason, "EdgeReady");
  const leaseKey = { namespace: "kube-node-lease", name: bed.nodeName };
  assert.equal(await ask("meta/getLease", leaseKey), undefined);
  const spec = { holderIdentity: bed.nodeName, leaseDurationSeconds: 40 };
  const lease = await ask("meta/createLease", { metadata: leaseKey, spec });
  await ask("meta/updateLease", { ...lease, spec: { ...spec, leaseDurationSeconds: 41 } });
  assert.equal((await kube.get(LEASES, leaseKey, signal)).spec?.leaseDurationSeconds, 41);

  // A pod and what it needs come down; its status goes up.
  await kube.create(CONFIG_MAPS, { metadata: cfg, data: { v: "1" } }, signal);
  const volumes = [
    { name: "c", configMap: { name: "cfg" } },
    { name: "s", secret: { secretName: "absent", optional: true } },
  ];
  await kube.create(PODS, bed.pod("web", { volumes }), signal);
  const pod = await bed.until(() => ask("meta/getPod", web));
  assert.equal((await ask("meta/getConfigMap", cfg))?.data?.["v"], "1");
  const running = JSON.stringify({ metadata: { uid: pod.metadata?.uid }, status: { phase: "Running" } });
  await ask("meta/patchPodStatus", { key: web, patch: running });
  assert.equal((await kube.get(PODS, web, signal)).status?.phase, "Running");
  assert.equal(await ask("meta/getSecret", { namespace: "default", name: "absent" }), undefined);
  const others = { namespace: "kube-system", name: "not-for-this-node" };
  await assert.rejects(ask("meta/getSecret", others), (e) => hasCode(e, "Forbidden"));

  // While the cloud is away the edge knows what it knew, also after a restart of its own.
  await bed.stopCloud();
  await bed.disconnected.promise;
  await assert.rejects(ask("meta/getSecret", { namespace: "default", name: "absent" }), (e) =>
    hasCode(e, "NotConnected"),
  );
  const failed = JSON.stringify({ metadata: { uid: pod.metadata?.uid }, status: { phase: "Failed" } });
  await assert.rejects(ask("meta/patchPodStatus", { key: web, patch: failed }), (e) => hasCode(e, "NotConnected"));
  await bed.stopEdge();
  await kube.patch(CONFIG_MAPS, cfg, { type: "merge", body: { data: { v: "2" } } }, signal);
  await kube.create(PODS, bed.pod("gone"), signal);
  await kube.delete(PODS, { namespace: "default", name: "gone" }, signal, { gracePeriodSeconds: 0 });
  await bed.startEdge();
  assert.equal((await ask("meta/list", { type: "pod" })).length, 1);
  assert.equal((await ask("meta/getConfigMap", cfg))?.data?.["v"], "1");

  // The cloud is back: what changed meanwhile arrives, and what the edge has kept goes up.
  await bed.startCloud();
  const backMs = performance.now();
  await bed.connected.promise;
  await bed.until(async () => (await ask("meta/getConfigMap", cfg))?.data?.["v"] === "2");
  const appliedMs = performance.now() - backMs;
  assert.ok(appliedMs < 5_000, `the change was applied ${Math.round(appliedMs)} ms after the cloud was back`);
  await bed.until(async () => (await ask("meta/getPod", web))?.status?.phase === "Failed");
  assert.equal((await kube.get(PODS, web, signal)).status?.phase, "Failed");

  // Deletion: graceful on the API, ended by the edge, gone on both sides, records too.
  await kube.delete(PODS, web, signal);
  await bed.until(async () => (await ask("meta/getPod", web))?.metadata?.deletionTimestamp !== undefined);
  const preconditions = { uid: pod.metadata?.uid ?? "" };
  await ask("meta/deletePod", { key: web, options: { gracePeriodSeconds: 0, preconditions } });
  await bed.until(async () => (await ask("meta/getPod", web)) === undefined);
  await assert.rejects(kube.get(PODS, web, signal), (e) => hasCode(e, "NotFound"));
  const record = { namespace: "default", name: `${bed.nodeName}.${pod.metadata?.uid}` };
  for await (const { type, object } of kube.watch(OBJECT_SYNCS, { namespace: "default" }, signal)) {
    if (object.metadata?.name === record.name && type === "DELETED") break;
    const listed = await kube.list(OBJECT_SYNCS, { namespace: "default" }, signal);
    if (!listed.items.some(({ metadata }) => metadata?.name === record.name)) break;
  }
});
