import assert from "node:assert/strict";
import { test } from "node:test";
import { newMessage } from "./message.ts";
import { requiresAck } from "./requires-ack.ts";
import { formatResource } from "./resource-path.ts";
import { FRAME_VECTORS } from "./vectors.test-data.ts";

for (const { name, message, ack_required } of FRAME_VECTORS) {
  if (typeof ack_required !== "boolean") continue;
  test(`${name} ${ack_required ? "must" : "need not"} be acknowledged, as recorded`, () =>
    assert.equal(requiresAck(message), ack_required));
}

const push = (type: string, name: string, operation = "update") =>
  newMessage({
    source: "edgecontroller",
    group: "resource",
    operation,
    resource: formatResource(type, { namespace: "default", name }),
    content: {},
  });

for (const name of ["team-membership", "podlist-x", "serviceaccounttoken", "membership"])
  test(`W19: a ConfigMap or pod called ${name} is delivered reliably`, () => {
    assert.equal(requiresAck(push("configmap", name)), true);
    assert.equal(requiresAck(push("pod", name, "insert")), true);
  });

test("W19: so is an object in a namespace with such a name", () => {
  const message = push("pod", "x");
  assert.equal(requiresAck({ ...message, route: { ...message.route, resource: "membership/pod/x" } }), true);
});
