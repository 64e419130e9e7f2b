import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  CertificateSigningRequest,
  DeleteOptions,
  Event,
  KubeObject,
  Lease,
  Node,
  Pod,
  TokenRequest,
} from "@kedge/kube";
import type { Message } from "./message.ts";
import * as toCloud from "./messages-to-cloud.ts";
import * as toEdge from "./messages-to-edge.ts";
import { KubeApiError } from "@kedge/kube";
import { frameVector } from "./vectors.test-data.ts";

/** What the recorded message says, without its id and time. */
function facts({ header, route, content }: Message): unknown {
  const { parent_msg_id, resourceversion } = header;
  return JSON.parse(JSON.stringify({ parent_msg_id, resourceversion, route, content })) as unknown;
}

const inDefault = (name: string) => ({ namespace: "default", name });
const contentOf = <T>(name: string) => frameVector(name).content as T;
const eventPatch = contentOf<{ event: Event; patchData: string }>("event_patch");

const sentByEdge: Record<string, () => Message> = {
  keepalive: () => toCloud.keepalive(),
  node_register_insert: () => toCloud.registerNode(contentOf<Node>("node_register_insert")),
  node_status_patch: () => toCloud.patchNodeStatus("edge-1", contentOf("node_status_patch")),
  pod_status_patch: () => toCloud.patchPodStatus(inDefault("nginx"), contentOf("pod_status_patch")),
  pod_create_mirror: () => toCloud.createPod(contentOf<Pod>("pod_create_mirror")),
  pod_delete: () => toCloud.deletePod(inDefault("nginx"), contentOf<DeleteOptions>("pod_delete")),
  query_configmap: () => toCloud.queryObject("configmap", inDefault("cm1")),
  query_secret: () => toCloud.queryObject("secret", inDefault("s1")),
  query_persistentvolume: () => toCloud.queryObject("persistentvolume", { name: "pv1" }),
  query_persistentvolumeclaim: () => toCloud.queryObject("persistentvolumeclaim", inDefault("pvc1")),
  query_volumeattachment: () => toCloud.queryObject("volumeattachment", { name: "va1" }),
  csr_query: () => toCloud.queryObject("certificatesigningrequest", { name: "metaserver-csr-edge-1" }),
  query_serviceaccounttoken: () =>
    toCloud.requestToken(inDefault("default"), contentOf<TokenRequest>("query_serviceaccounttoken")),
  lease_insert: () => toCloud.createLease(contentOf<Lease>("lease_insert")),
  lease_update: () => toCloud.updateLease(contentOf<Lease>("lease_update")),
  lease_query: () => toCloud.queryLease("edge-1"),
  event_insert: () => toCloud.createEvent(contentOf<Event>("event_insert")),
  event_patch: () => toCloud.patchEvent(eventPatch.event, eventPatch.patchData),
  csr_insert: () => toCloud.createCertificateSigningRequest(contentOf<CertificateSigningRequest>("csr_insert")),
  query_k8s_ca: () => toCloud.queryKubernetesCa(),
  eventbus_upload: () => toCloud.mqttUpload("default/test-topic", contentOf("eventbus_upload")),
  twin_edge_updated: () => toCloud.twinReport(inDefault("dev1"), contentOf("twin_edge_updated")),
  membership_detail_get: () => toCloud.membershipDetail(contentOf("membership_detail_get")),
};
for (const [vector, build] of Object.entries(sentByEdge))
  test(`the edge says ${vector} as recorded`, () => assert.deepEqual(facts(build()), facts(frameVector(vector))));

const push = (vector: string, operation: "insert" | "update" | "delete") =>
  toEdge.objectPush({ node: "edge-1", source: "edgecontroller", operation, object: contentOf<KubeObject>(vector) });
const parent = (vector: string): Message => {
  const { header, route } = frameVector(vector);
  return {
    header: { msg_id: header.parent_msg_id ?? "", timestamp: 0 },
    route: { resource: route.resource },
    content: null,
  };
};
const objectIn = (vector: string) => contentOf<{ Object: KubeObject }>(vector).Object;
const version = (vector: string) => ({ resourceVersion: frameVector(vector).header.resourceversion });
const membership = contentOf<{ event_id: string; timestamp: number; added_devices: toEdge.MembershipDevice[] }>(
  "membership_update",
);

const sentByCloud: Record<string, () => Message> = {
  pod_insert: () => push("pod_insert", "insert"),
  configmap_delete: () => push("configmap_delete", "delete"),
  configmap_update: () => push("configmap_update", "update"),
  secret_update: () => push("secret_update", "update"),
  node_update_down: () => push("node_update_down", "update"),
  synccontroller_orphan_delete: () =>
    toEdge.orphanDelete("edge-1", "pod", inDefault("gone"), "22222222-2222-4333-8444-555555555555"),
  podstatus_triggered_delete: () => toEdge.unknownPodDelete("edge-1", inDefault("ghost")),
  resp_node_register_ok: () =>
    toEdge.objectAnswer("edge-1", parent("resp_node_register_ok"), objectIn("resp_node_register_ok")),
  resp_nodepatch_ok: () =>
    toEdge.objectAnswer(
      "edge-1",
      parent("resp_nodepatch_ok"),
      objectIn("resp_nodepatch_ok"),
      version("resp_nodepatch_ok"),
    ),
  resp_podpatch_ok: () =>
    toEdge.objectAnswer(
      "edge-1",
      parent("resp_podpatch_ok"),
      objectIn("resp_podpatch_ok"),
      version("resp_podpatch_ok"),
    ),
  resp_lease_ok: () => toEdge.objectAnswer("edge-1", parent("resp_lease_ok"), objectIn("resp_lease_ok")),
  resp_pod_delete_ok: () => toEdge.okAnswer("edge-1", parent("resp_pod_delete_ok")),
  resp_query_configmap: () =>
    toEdge.queryAnswer("edge-1", parent("resp_query_configmap"), contentOf<KubeObject>("resp_query_configmap")),
  resp_query_configmap_notfound: () =>
    toEdge.errorAnswer(
      "edge-1",
      parent("resp_query_configmap_notfound"),
      new KubeApiError({
        message: 'configmaps "cm1" not found',
        reason: "NotFound",
        details: { name: "cm1", kind: "configmaps" },
        code: 404,
      }),
    ),
  resp_serviceaccounttoken: () =>
    toEdge.queryAnswer("edge-1", parent("resp_serviceaccounttoken"), contentOf<KubeObject>("resp_serviceaccounttoken")),
  resp_k8s_ca: () => toEdge.kubernetesCaAnswer("edge-1", parent("resp_k8s_ca"), contentOf("resp_k8s_ca")),
  membership_update: () =>
    toEdge.membershipUpdate(
      "edge-1",
      { eventId: membership.event_id, added: membership.added_devices, removed: null },
      membership.timestamp,
    ),
  resp_twin_ok: () => toEdge.twinConfirmation("edge-1", parent("resp_twin_ok")),
};
for (const [vector, build] of Object.entries(sentByCloud))
  test(`the cloud says ${vector} as recorded`, () =>
    assert.deepEqual(facts(toEdge.withWireResource(build())), facts(frameVector(vector))));

test("an acknowledgement repeats the route and names its message", () => {
  const received = frameVector("pod_insert");
  const ack = toCloud.acknowledge(received);
  assert.equal(ack.header.parent_msg_id, received.header.msg_id);
  assert.deepEqual(ack.route, frameVector("ack_ok").route);
  assert.equal(ack.content, "OK");
});

test("a processing error names its message and the reason", () => {
  const error = toCloud.processingError(frameVector("pod_insert"), "insert or update meta failed");
  assert.deepEqual(error.route, frameVector("metamanager_error").route);
  assert.equal(error.content, frameVector("metamanager_error").content);
});
