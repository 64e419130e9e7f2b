import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Message } from "@kedge/protocol";
import { routeUpstream, shownRoute } from "./upstream-router.ts";

const file = new URL("../../../../test/vectors/cloud-edge-frames.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
  vectors: { name: string; direction: string; message: Message }[];
};

const elsewhere: Readonly<Record<string, string>> = {
  keepalive: "session",
  ack_ok: "session",
  metamanager_error: "session",
  query_k8s_ca: "kubernetesCa",
  application_request_list: "dynamicController",
  application_request_patch: "dynamicController",
  watchapp_sync_request: "dynamicController",
  eventbus_upload: "router",
  servicebus_upload_request: "router",
  servicebus_upload_response: "router",
  task_status_v1alpha2: "taskManager",
  task_status_v1alpha1_prepull: "taskManager",
  twin_edge_updated: "device",
  membership_detail_get: "device",
  csi_createvolume_response: "csi",
};
for (const { name, direction, message } of vectors)
  if (direction === "edge_to_cloud")
    test(`${name} goes to ${elsewhere[name] ?? "edge"}`, () =>
      assert.equal(routeUpstream(message).to, elsewhere[name] ?? "edge"));

for (const source of ["cloudhub", "cloudStream", "devicecontroller", "edgecontroller", "synccontroller"])
  test(`an edge cannot speak as ${source}`, () =>
    assert.equal(
      routeUpstream({
        header: { msg_id: "", timestamp: 0 },
        route: { source, operation: "update", resource: "default/pod/x" },
        content: null,
      }).to,
      "nobody",
    ));

test("the empty message that a stock edge sends when it stops goes nowhere", () =>
  assert.equal(routeUpstream({ header: { msg_id: "", timestamp: 0 }, route: {}, content: null }).to, "nobody"));

test("a route that no message of ours could have is nobody's, and is not shown whole; a topic may be long", () => {
  const long = "x".repeat(2_000);
  const of = (route: Message["route"]): Message => ({ header: { msg_id: "1", timestamp: 1 }, route, content: "" });
  for (const part of ["source", "group", "operation", "resource"]) {
    const message = of({ source: "s", group: "resource", operation: "update", resource: "r", [part]: long });
    assert.equal(routeUpstream(message).to, "nobody", part);
    assert.ok(JSON.stringify(shownRoute(message)).length < 1_000);
  }
  const upload = of({ source: "bus", group: "user", operation: "upload", resource: long });
  assert.equal(routeUpstream(upload).to, "router");
});
