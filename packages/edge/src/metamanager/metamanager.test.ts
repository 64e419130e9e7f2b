import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { Node, TokenRequest } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { answer, apiError, frame, MetaManagerBed, pod } from "./metamanager-bed.test-data.ts";
import { tokenRowKey } from "./token-row.ts";

const nginx = { namespace: "default", name: "nginx" };

test("stores what the cloud pushes, then acknowledges with the message's own route", async () => {
  await using bed = await MetaManagerBed.start();
  const push = frame("pod_insert");
  const ack = await bed.down(push);
  assert.deepEqual(ack?.route, frame("ack_ok").route);
  assert.equal(ack?.header.parent_msg_id, push.header.msg_id);
  assert.equal(ack?.content, "OK");
  assert.deepEqual(JSON.parse(bed.row("default/pod/nginx") ?? ""), push.content);
  assert.deepEqual(bed.changed, ["pod default/nginx"]);
  assert.deepEqual(await bed.bus.request("meta/getPod", nginx, bed.signal), push.content);
});

test("every recorded push of the cloud is acknowledged", async () => {
  await using bed = await MetaManagerBed.start();
  for (const name of [
    "pod_insert",
    "pod_update_deleting",
    "pod_delete_final",
    "synccontroller_orphan_delete",
    "podstatus_triggered_delete",
    "configmap_insert",
    "configmap_update",
    "configmap_delete",
    "secret_update",
    "node_update_down",
    "dynamic_watch_event_insert",
    "serviceaccountaccess_insert",
  ]) {
    const push = frame(name);
    const reply = await bed.down(push);
    assert.deepEqual([name, reply?.content], [name, "OK"]);
    assert.equal(reply?.header.parent_msg_id, push.header.msg_id);
  }
  assert.equal(bed.row("default/pod/nginx"), undefined);
  assert.equal(bed.row("default/configmap/cm1"), undefined);
  assert.ok(bed.row("default/secret/s1"));
  assert.ok(bed.row("null/node/edge-1"));
});

test("a stored object only moves forward, and a copy of a removed one does not come back", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.push("insert", "pod", pod("a", "u1", "9"));
  await bed.push("update", "pod", pod("a", "u1", "10"));
  const late = await bed.push("update", "pod", pod("a", "u1", "9"));
  assert.equal(late?.content, "OK", "a late copy is acknowledged: the cloud need not send it again");
  assert.match(bed.row("default/pod/a") ?? "", /"resourceVersion":"10"/);
  assert.equal(bed.changed.length, 2);
  await bed.push("delete", "pod", pod("a", "u1", "11"));
  await bed.push("update", "pod", pod("a", "u1", "10"));
  assert.equal(bed.row("default/pod/a"), undefined);
});

test("W-17: a late deletion of an earlier pod does not remove its successor of the same name", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.push("insert", "pod", pod("a", "u2", "20", { spec: { note: "mentions u1" } }));
  assert.equal((await bed.push("delete", "pod", pod("a", "u1", "15")))?.content, "OK");
  assert.ok(bed.row("default/pod/a"));
  await bed.push("delete", "pod", { metadata: { namespace: "default", name: "a" } });
  assert.equal(bed.row("default/pod/a"), undefined, "without a UID whatever has the name is meant");
});

test("a pod's successor replaces it, and the dead one's late updates stay out", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.push("insert", "pod", pod("a", "u1", "5"));
  await bed.push("insert", "pod", pod("a", "u2", "8"));
  await bed.push("update", "pod", pod("a", "u1", "5"));
  assert.match(bed.row("default/pod/a") ?? "", /"uid":"u2"/);
});

test("what is no object of that name is refused aloud and not stored", async () => {
  await using bed = await MetaManagerBed.start();
  for (const content of [null, "text", [], {}, { metadata: { name: "other", namespace: "default" } }]) {
    const reply = await bed.down({ ...frame("pod_insert"), content });
    assert.equal(reply?.route.operation, "error");
    assert.equal(reply?.route.source, "metamanager");
  }
  const odd = frame("pod_insert");
  const reply = await bed.down({ ...odd, route: { ...odd.route, resource: "pods" } });
  assert.equal(reply?.route.operation, "error");
  assert.equal(bed.row("default/pod/nginx"), undefined);
});

test("W31: DeviceTwin learns of devices whoever sent them", async () => {
  await using bed = await MetaManagerBed.start();
  const told: string[] = [];
  bed.bus.handle("twin/object", ({ operation, object }) => void told.push(`${operation} ${object.metadata?.name}`));
  await bed.push("update", "device", { kind: "Device", metadata: { namespace: "default", name: "d", uid: "x" } });
  assert.deepEqual(told, ["update d"]);
});

test("a device counts as received once DeviceTwin has it; the cloud says again what failed there", async () => {
  await using bed = await MetaManagerBed.start();
  let failures = 1;
  const told: string[] = [];
  bed.bus.handle("twin/object", ({ operation }) => {
    told.push(operation);
    failures -= 1;
    if (failures >= 0) throw new Error("disk full");
  });
  const device = { kind: "Device", metadata: { namespace: "default", name: "d", uid: "x", resourceVersion: "1" } };
  const refused = await bed.push("update", "device", device);
  assert.deepEqual([refused?.route.operation, refused?.content], ["error", "disk full"]);
  const again = await bed.push("update", "device", device);
  assert.equal(again?.content, "OK");
  const removed = await bed.push("delete", "device", device);
  assert.equal(removed?.content, "OK");
  assert.deepEqual(told, ["update", "update", "delete"]);
});

test("ConfigMaps are read from here first, else from the cloud, whose answer is kept and acknowledged", async () => {
  await using bed = await MetaManagerBed.start();
  const content = frame("resp_query_configmap").content;
  bed.cloud = (request) => answer(request, content);
  const key = { namespace: "default", name: "cm1" };
  const [first, again] = await Promise.all([
    bed.bus.request("meta/getConfigMap", key, bed.signal),
    bed.bus.request("meta/getConfigMap", key, bed.signal),
  ]);
  assert.deepEqual(first, content);
  assert.deepEqual(again, content);
  assert.deepEqual(
    bed.asked.map(({ route }) => route),
    [frame("query_configmap").route],
  );
  assert.deepEqual(
    bed.sent.map(({ content: said }) => said),
    ["OK"],
  );
  bed.cloud = () => "away";
  assert.deepEqual(await bed.bus.request("meta/getConfigMap", key, bed.signal), content);
});

test("W23, W-06b: an error is never stored as the object, and offline ignorance is not absence", async () => {
  await using bed = await MetaManagerBed.start();
  const key = { namespace: "default", name: "cm1" };
  bed.cloud = (request) => answer(request, frame("resp_query_configmap_notfound").content);
  assert.equal(await bed.bus.request("meta/getConfigMap", key, bed.signal), undefined);
  assert.equal(bed.row("default/configmap/cm1"), undefined);
  bed.cloud = () => "away";
  await assert.rejects(bed.bus.request("meta/getConfigMap", key, bed.signal), (e) => hasCode(e, "NotConnected"));
  // An agent that had this defect leaves such rows behind.
  bed.db.prepare("INSERT INTO meta VALUES (?, ?, ?)").run("default/secret/s1", "secret", '{"ErrStatus":{}}');
  bed.cloud = (request) => answer(request, frame("resp_query_secret").content);
  const secret = await bed.bus.request("meta/getSecret", { namespace: "default", name: "s1" }, bed.signal);
  assert.deepEqual(secret, frame("resp_query_secret").content);
});

test("W17: an answer that comes after its asker gave up is stored and acknowledged", async () => {
  await using bed = await MetaManagerBed.start();
  const reply = await bed.down(frame("resp_query_configmap"));
  assert.equal(reply?.content, "OK");
  assert.ok(bed.row("default/configmap/cm1"));
  assert.equal(await bed.down(frame("resp_podpatch_ok")), undefined, "nobody waits for an ack of this one");
});

test("a status patch that got through moves the stored pod forward", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.down(frame("pod_insert"));
  bed.cloud = (request) => answer(request, frame("resp_podpatch_ok").content);
  const patch = frame("pod_status_patch").content as string;
  const patched = await bed.bus.request("meta/patchPodStatus", { key: nginx, patch }, bed.signal);
  assert.equal(patched.metadata?.name, "nginx");
  assert.deepEqual(bed.asked[0]?.route, frame("pod_status_patch").route);
  assert.equal(bed.asked[0]?.content, patch);
  assert.equal(bed.row("default/podpatch/nginx"), undefined);
});

test("W24, W-06: a failure that the cloud could not express leaves the stored pod and node as they are", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.down(frame("pod_insert"));
  const before = bed.row("default/pod/nginx");
  for (const content of [
    frame("resp_podpatch_transport_error").content,
    { Object: null, Err: {} },
    { Object: {}, Err: null },
    { Object: null, Err: null },
    { Object: pod("other", "u9", "99"), Err: null },
    "x",
    null,
    [],
  ]) {
    bed.cloud = (request) => answer(request, content);
    await assert.rejects(bed.bus.request("meta/patchPodStatus", { key: nginx, patch: "{}" }, bed.signal));
  }
  assert.equal(bed.row("default/pod/nginx"), before);
  bed.cloud = (request) => answer(request, frame("resp_node_register_plain_error").content);
  await assert.rejects(bed.bus.request("meta/registerNode", { metadata: { name: "edge-1" } }, bed.signal));
  assert.equal(bed.row("null/node/edge-1"), undefined);
});

test("a status patch made while the cloud is away is kept, the newest only, and sent once it is back", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.down(frame("pod_insert"));
  const send = (patch: string) => bed.bus.request("meta/patchPodStatus", { key: nginx, patch }, bed.signal);
  await assert.rejects(send('{"status":{"phase":"Pending"}}'), (e) => hasCode(e, "NotConnected"));
  await assert.rejects(send('{"status":{"phase":"Running"}}'), (e) => hasCode(e, "NotConnected"));
  assert.equal(bed.row("default/podpatch/nginx"), '{"status":{"phase":"Running"}}', "as KubeEdge keeps it");
  bed.asked.length = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  bed.cloud = (request) => {
    resolve();
    return answer(request, frame("resp_podpatch_ok").content);
  };
  bed.bus.notify("hub/connection", { connected: true });
  await promise;
  assert.deepEqual(
    bed.asked.map(({ content }) => content),
    ['{"status":{"phase":"Running"}}'],
  );
});

test("a kept patch never arrives after a newer one", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.down(frame("pod_insert"));
  const send = (patch: string) => bed.bus.request("meta/patchPodStatus", { key: nginx, patch }, bed.signal);
  await assert.rejects(send('{"status":{"phase":"Pending"}}'), (e) => hasCode(e, "NotConnected"));
  bed.asked.length = 0;
  bed.cloud = (request) => answer(request, frame("resp_podpatch_ok").content);
  bed.bus.notify("hub/connection", { connected: true });
  await send('{"status":{"phase":"Running"}}'); // as edged does in the same moment
  await send('{"status":{"phase":"Succeeded"}}');
  const said = bed.asked.map(({ content }) => /"phase":"(\w+)"/.exec(String(content))?.[1]);
  assert.deepEqual(said.slice(-2), ["Running", "Succeeded"]);
  assert.ok(said.length === 2 || said[0] === "Pending", said.join());
  assert.equal(bed.row("default/podpatch/nginx"), undefined);
});

test("a patch that the API server refuses is not kept", async () => {
  await using bed = await MetaManagerBed.start();
  bed.cloud = (request) => answer(request, { Object: null, Err: apiError("NotFound", 404) });
  const request = { key: nginx, patch: "{}" };
  await assert.rejects(bed.bus.request("meta/patchPodStatus", request, bed.signal), (e) => hasCode(e, "NotFound"));
  assert.equal(bed.row("default/podpatch/nginx"), undefined);
});

test("pods, ConfigMaps and the node are known after a restart without the cloud", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kedge-meta-"));
  try {
    const path = join(folder, "edgecore.db");
    {
      await using bed = await MetaManagerBed.start(path);
      await bed.down(frame("pod_insert"));
      await bed.down(frame("configmap_insert"));
      await bed.down(frame("node_update_down"));
    }
    await using bed = await MetaManagerBed.start(path);
    const pods = await bed.bus.request("meta/list", { type: "pod" }, bed.signal);
    assert.deepEqual(pods, [frame("pod_insert").content]);
    const configMap = await bed.bus.request("meta/getConfigMap", { namespace: "default", name: "cm1" }, bed.signal);
    assert.deepEqual(configMap, frame("configmap_insert").content);
    const node = await bed.bus.request("meta/getNode", { name: "edge-1" }, bed.signal);
    assert.equal(node?.metadata?.name, "edge-1");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a stock agent's database is taken over as it is, and its tables stay as they were", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kedge-meta-"));
  try {
    const path = join(folder, "edgecore.db");
    const stock = new DatabaseSync(path);
    stock.exec("CREATE TABLE `meta` (`key` text(256),`type` text(32),`value` text,PRIMARY KEY (`key`))");
    const insert = stock.prepare("INSERT OR REPLACE INTO meta (key,type,value) VALUES (?,?,?)");
    insert.run("default/pod/nginx", "pod", JSON.stringify(frame("pod_insert").content));
    insert.run("default/podpatch/nginx", "podpatch", '{"status":{}}');
    stock.close();
    await using bed = await MetaManagerBed.start(path);
    assert.equal((await bed.bus.request("meta/list", { type: "pod" }, bed.signal)).length, 1);
    const columns = bed.db.prepare("SELECT name, type, pk FROM pragma_table_info('meta')").all();
    assert.deepEqual(
      columns.map((column) => ({ ...column })),
      [
        { name: "key", type: "text(256)", pk: 1 },
        { name: "type", type: "text(32)", pk: 0 },
        { name: "value", type: "TEXT", pk: 0 }, // SQLite shows the plain word so
      ],
    );
    await bed.down(frame("pod_delete_final"));
    assert.equal(bed.row("default/podpatch/nginx"), undefined, "a pod's patch goes with it");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("registering a node that exists answers with what is known of it, here or there", async () => {
  await using bed = await MetaManagerBed.start();
  const registration = frame("node_register_insert");
  const existing = frame("node_update_down").content as Node;
  bed.cloud = (request) =>
    request.route.operation === "query"
      ? answer(request, existing)
      : answer(request, frame("resp_node_register_already_exists").content);
  const node = await bed.bus.request("meta/registerNode", registration.content as Node, bed.signal);
  assert.deepEqual(node, existing);
  assert.deepEqual(bed.asked[0]?.route, registration.route);
  assert.equal(bed.asked[1]?.route.operation, "query");
  await bed.bus.request("meta/registerNode", registration.content as Node, bed.signal);
  assert.equal(bed.asked.length, 3, "the second time it is known here");
});

const tokenQuestion = {
  namespace: "default",
  serviceAccount: "default",
  token: frame("query_serviceaccounttoken").content as TokenRequest,
};

function tokenAnswer(token: string, expirationTimestamp: string): TokenRequest {
  return { spec: { audiences: [], expirationSeconds: 3607 }, status: { token, expirationTimestamp }, metadata: {} };
}

test("W-16: a token is kept until its successor is stored", async () => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
  await using bed = await MetaManagerBed.start(":memory:", clock);
  const ask = async () => (await bed.bus.request("meta/requestToken", tokenQuestion, bed.signal)).status?.token;
  bed.cloud = (request) => answer(request, tokenAnswer("one", "2026-01-01T01:00:00Z"));
  assert.equal(await ask(), "one");
  assert.deepEqual(bed.asked[0]?.route, frame("query_serviceaccounttoken").route);
  assert.deepEqual(bed.asked[0]?.content, frame("query_serviceaccounttoken").content);
  assert.equal(await ask(), "one");
  assert.equal(bed.asked.length, 1, "a fresh token is not asked for again");
  now += 55 * 60_000;
  bed.cloud = () => "away";
  assert.equal(await ask(), "one", "aging, and the cloud is away");
  now += 24 * 60 * 60_000;
  assert.equal(await ask(), "one", "expired, and the cloud is away");
  bed.cloud = (request) => answer(request, { ErrStatus: apiError("Forbidden", 403).ErrStatus });
  await assert.rejects(ask(), (e) => hasCode(e, "Forbidden"));
  bed.cloud = (request) => answer(request, tokenAnswer("two", "2026-01-02T02:00:00Z"));
  assert.equal(await ask(), "two");
});

test("a pod's tokens go with it", async () => {
  await using bed = await MetaManagerBed.start();
  await bed.down(frame("pod_insert"));
  bed.cloud = (request) => answer(request, tokenAnswer("one", "2099-01-01T00:00:00Z"));
  await bed.bus.request("meta/requestToken", tokenQuestion, bed.signal);
  const row = tokenRowKey("default", "default", tokenQuestion.token);
  assert.ok(bed.row(row));
  await bed.down(frame("pod_delete_final"));
  assert.equal(bed.row(row), undefined);
});

test("tokens are stored under KubeEdge's own key", () => {
  assert.equal(
    tokenRowKey("ns", "app", {
      spec: {
        audiences: ["a", "b"],
        expirationSeconds: 3600,
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "web", uid: "u" },
      },
    }),
    '"app"/"ns"/[]string{"a", "b"}/3600/v1.BoundObjectReference{Kind:"Pod", APIVersion:"v1", Name:"web", UID:"u"}',
  );
  const nil = { spec: { audiences: null as unknown as string[] } };
  assert.match(tokenRowKey("ns", "app", nil), /^"app"\/"ns"\/\[\]string\(nil\)\/0\/v1.BoundObjectReference\{Kind:"", /);
});

test("leases and pod deletions carry the API server's verdict", async () => {
  await using bed = await MetaManagerBed.start();
  const key = { namespace: "kube-node-lease", name: "edge-1" };
  bed.cloud = (request) => answer(request, { Object: null, Err: apiError("NotFound", 404) });
  assert.equal(await bed.bus.request("meta/getLease", key, bed.signal), undefined);
  bed.cloud = (request) => answer(request, frame("resp_lease_conflict").content);
  const lease = { metadata: key, spec: {} };
  await assert.rejects(bed.bus.request("meta/updateLease", lease, bed.signal), (e) => hasCode(e, "Conflict"));
  bed.cloud = (request) => answer(request, frame("resp_lease_ok").content);
  assert.equal((await bed.bus.request("meta/createLease", lease, bed.signal)).metadata?.name, "edge-1");
  assert.deepEqual(
    bed.asked.map(({ route }) => route.operation),
    ["query", "update", "insert"],
  );
  for (const content of ["OK", apiError("NotFound", 404)]) {
    bed.cloud = (request) => answer(request, content);
    await bed.bus.request("meta/deletePod", { key: nginx, options: { gracePeriodSeconds: 0 } }, bed.signal);
  }
  bed.cloud = (request) => answer(request, apiError("Conflict", 409));
  const request = { key: nginx, options: {} };
  await assert.rejects(bed.bus.request("meta/deletePod", request, bed.signal), (e) => hasCode(e, "Conflict"));
});
