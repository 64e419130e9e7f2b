import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeleteOptions, Event, Lease, Node, Pod, TokenRequest } from "@kedge/kube";
import type { Message } from "@kedge/protocol";
import type { EdgeBus } from "../edge-messages.ts";
import { answer, frame, MetaManagerBed } from "./metamanager-bed.test-data.ts";

type Ask = (bus: EdgeBus, content: unknown, signal: AbortSignal) => Promise<unknown>;

const leaseKey = { namespace: "kube-node-lease", name: "edge-1" };
const nginx = { namespace: "default", name: "nginx" };

/** What edged asks → the recorded frame that a stock edge sends for it. */
const questions: Record<string, Ask> = {
  node_register_insert: (bus, content, signal) => bus.request("meta/registerNode", content as Node, signal),
  node_status_patch: (bus, content, signal) =>
    bus.request("meta/patchNodeStatus", { name: "edge-1", patch: content as string }, signal),
  pod_status_patch: (bus, content, signal) =>
    bus.request("meta/patchPodStatus", { key: nginx, patch: content as string }, signal),
  pod_create_mirror: (bus, content, signal) => bus.request("meta/createPod", content as Pod, signal),
  pod_delete: (bus, content, signal) =>
    bus.request("meta/deletePod", { key: nginx, options: content as DeleteOptions }, signal),
  query_configmap: (bus, _content, signal) =>
    bus.request("meta/getConfigMap", { namespace: "default", name: "cm1" }, signal),
  query_secret: (bus, _content, signal) => bus.request("meta/getSecret", { namespace: "default", name: "s1" }, signal),
  query_serviceaccounttoken: (bus, content, signal) => {
    const question = { namespace: "default", serviceAccount: "default", token: content as TokenRequest };
    return bus.request("meta/requestToken", question, signal);
  },
  lease_insert: (bus, content, signal) => bus.request("meta/createLease", content as Lease, signal),
  lease_update: (bus, content, signal) => bus.request("meta/updateLease", content as Lease, signal),
  lease_query: (bus, _content, signal) => bus.request("meta/getLease", leaseKey, signal),
  event_insert: (bus, content, signal) =>
    bus.request("meta/sendEvent", { operation: "insert", event: content as Event }, signal),
  event_patch: (bus, content, signal) => {
    const { event, patchData } = content as { event: Event; patchData: string };
    return bus.request("meta/sendEvent", { operation: "patch", event, patch: patchData }, signal);
  },
};

for (const [name, ask] of Object.entries(questions))
  test(`asks as a stock edge does: ${name}`, async () => {
    await using bed = await MetaManagerBed.start();
    bed.cloud = (request) => answer(request, "not the point here");
    const recorded = frame(name);
    await ask(bed.bus, recorded.content, bed.signal).catch(() => undefined);
    const said = [...bed.asked, ...bed.sent][0] as Message;
    assert.deepEqual(said.route, recorded.route);
    assert.deepEqual(said.content, recorded.content);
    assert.equal(said.header.parent_msg_id, undefined);
  });

test("says as a stock edge does that a message could not be processed", async () => {
  await using bed = await MetaManagerBed.start();
  const push = frame("pod_insert");
  const error = await bed.down({ ...push, content: "junk" });
  assert.deepEqual(error?.route, frame("metamanager_error").route);
  assert.equal(error?.header.parent_msg_id, push.header.msg_id);
});
