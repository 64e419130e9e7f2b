import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdgeCoreConfig } from "@kedge/api";
import { MessageBus } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "./edge-messages.ts";
import { hostFacts } from "./edgecore-host.ts";
import { AgentStatus } from "./edgecore-status.ts";

const header = { apiVersion: "edgecore.config.kubeedge.io/v1alpha2", kind: "EdgeCore" };
const { config } = loadEdgeCoreConfig({ ...header, modules: { edgeHub: { token: "a.b.c.d" } } }, hostFacts());

async function staticPods(reply: EdgeMessages["edged/staticPods"]["reply"] | undefined) {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  using status = new AgentStatus(config, "0.1.0", bus);
  if (reply !== undefined) bus.handle("edged/staticPods", () => reply);
  return (await status.document()).checks.find(({ name }) => name === "staticPods");
}

test("says nothing of static pods where there are none", async () => {
  assert.equal(await staticPods(undefined), undefined);
  assert.equal(await staticPods({ pods: 0, problems: [] }), undefined);
});

test("a file that is wrong is named, and takes no node down", async () => {
  assert.deepEqual(await staticPods({ pods: 2, problems: [] }), {
    name: "staticPods",
    ok: true,
    detail: "2 from files",
  });
  const problems = Array.from({ length: 7 }, (_, n) => ({
    path: `/m/${n}.yaml`,
    message: "no valid pod: spec is missing",
  }));
  const check = await staticPods({ pods: 1, problems });
  assert.equal(check?.ok, true);
  assert.match(
    check.detail,
    /^1 from files; not run as it is: \/m\/0\.yaml: no valid pod: spec is missing; .*; 2 more$/,
  );
});
