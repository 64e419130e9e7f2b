import assert from "node:assert/strict";
import { test } from "node:test";
import { agentConfig, sameSocket } from "./other-agents.ts";

const commands: readonly { command: string; config: string | undefined }[] = [
  { command: "/usr/local/bin/edgecore", config: "/etc/kubeedge/config/edgecore.yaml" },
  { command: "/usr/local/bin/edgecore --config=/a.yaml", config: "/a.yaml" },
  { command: "/n/bin/node --disable-warning=X /k/dist/edgecore/main.mjs --config /b.yaml", config: "/b.yaml" },
  { command: "node packages/edge/src/edgecore-main.ts --config c.yaml", config: "c.yaml" },
  { command: "node /k/dist/edgecore/main.mjs doctor --config /b.yaml", config: undefined },
  { command: "node /k/dist/edgecore/main.mjs --minconfig", config: undefined },
  { command: "vim /usr/local/bin/edgecore", config: undefined },
  { command: "node /k/dist/cloudcore/main.mjs", config: undefined },
];
for (const { command, config } of commands)
  test(`"${command}" is ${config === undefined ? "no agent" : `the agent of ${config}`}`, () =>
    assert.equal(agentConfig(command.split(" ")), config));

test("the same socket under two names is one runtime", () => {
  assert.ok(sameSocket("unix:///run/nowhere/c.sock", "/var/run/nowhere/c.sock"));
  assert.ok(!sameSocket("unix:///run/nowhere/c.sock", "unix:///run/elsewhere/c.sock"));
});
