import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { newMessage } from "@kedge/protocol";
import { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";
import { EdgeCoreProcess } from "./edgecore-process.test-data.ts";

const TIMEOUT = { timeout: 60_000 };

function configMap(name: string, version: number, operation = "update") {
  const resourceVersion = String(version);
  const metadata = { namespace: "default", name, uid: `uid-${name}`, resourceVersion };
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation,
    resource: `default/configmap/${name}`,
    content: { apiVersion: "v1", kind: "ConfigMap", metadata, data: { filler: "x".repeat(500) } },
    resourceVersion,
  });
}

test("starts from KubeEdge's edgecore.yaml, joins, forgets the token, stops in good order", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud, "  serviceBus:\n    enable: true\n  nonsense: 1\n");
  const before = readFileSync(agent.config, "utf8");
  agent.start();
  await cloud.message("keepalive", "node");
  assert.equal(readFileSync(agent.config, "utf8"), before.replace(cloud.token, '""'), "all else stays as it was");
  assert.equal(statSync(agent.config).mode & 0o777, 0o640);
  assert.equal(await agent.end("SIGTERM"), 0);
  assert.match(agent.stderr, /not supported yet: modules.serviceBus.enable is true/);
  assert.match(agent.stderr, /unknown key modules.nonsense/);
  assert.doesNotMatch(agent.stderr, new RegExp(cloud.bearer));
  agent.start(); // with its certificate alone
  await cloud.until(() => cloud.links.length === 2);
});

test("a failed join ends the program with one sentence and exit code 1", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  writeFileSync(agent.config, readFileSync(agent.config, "utf8").replace(cloud.token, `${"0".repeat(64)}.a.b.c`));
  agent.start();
  assert.equal(await agent.end(), 1);
  assert.match(agent.stderr, /^edgecore: https:.* is not the cloud that this token is from: .*; check the address/m);
});

test("a second agent on the same database is told so and leaves", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  agent.start();
  await cloud.message("keepalive", "node");
  await using second = new EdgeCoreProcess();
  writeFileSync(second.config, readFileSync(agent.config));
  second.start();
  assert.equal(await second.end(), 1);
  assert.match(second.stderr, /^edgecore: database .* is in use by another process/m);
});

test("SIGKILL at any moment loses nothing that was acknowledged", TIMEOUT, async () => {
  const objects = 40;
  const rounds = 6;
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  const pushed = new Map<string, { name: string; version: number }>();
  const acknowledged = new Map<string, number>();
  let acks = 0;
  cloud.onMessage = ({ header, route }) => {
    const push = pushed.get(header.parent_msg_id ?? "");
    if (route.operation !== "response" || push === undefined) return;
    acks += 1;
    acknowledged.set(push.name, Math.max(push.version, acknowledged.get(push.name) ?? 0));
  };
  let version = 1;
  for (let round = 0; round < rounds; round += 1) {
    agent.start();
    const links = cloud.links.length;
    await cloud.until(() => cloud.links.length > links);
    const { link } = cloud;
    const killAfter = acks + 50 + Math.floor(Math.random() * 400);
    const pushing = (async () => {
      while (link.open) {
        version += 1;
        const message = configMap(`cm-${version % objects}`, version);
        pushed.set(message.header.msg_id, { name: `cm-${version % objects}`, version });
        await link.send(message).catch(() => undefined);
      }
    })();
    await cloud.until(() => acks >= killAfter);
    await agent.end("SIGKILL");
    link.terminate("the agent is dead");
    await pushing;
    const db = new DatabaseSync(agent.database);
    try {
      const row = db.prepare("SELECT json_extract(value, '$.metadata.resourceVersion') AS v FROM meta WHERE key = ?");
      for (const [name, atLeast] of acknowledged) {
        const stored = Number(row.get(`default/configmap/${name}`)?.["v"]);
        assert.ok(stored >= atLeast, `${name}: version ${atLeast} was acknowledged, ${stored} is stored`);
      }
    } finally {
      db.close();
    }
  }
  assert.equal(acknowledged.size, objects);
});

test("a damaged database is put aside, what is readable of it is saved, and the agent goes on", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  agent.start();
  await cloud.until(() => cloud.links.length === 1);
  const last = configMap("cm-299", 2);
  for (let n = 0; n < 300; n += 1) await cloud.link.send(n === 299 ? last : configMap(`cm-${n}`, 2));
  await cloud.until(() => cloud.received.find(({ header }) => header.parent_msg_id === last.header.msg_id));
  assert.equal(await agent.end("SIGTERM"), 0);
  const bytes = readFileSync(agent.database);
  bytes.fill(0xa5, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 8192);
  writeFileSync(agent.database, bytes);
  agent.start();
  await cloud.until(() => cloud.links.length === 2);
  assert.equal(await agent.end("SIGTERM"), 0);
  assert.match(agent.stderr, /put aside as .*\.damaged-/);
  const db = new DatabaseSync(agent.database);
  try {
    const saved = Number(db.prepare("SELECT count(*) AS n FROM meta WHERE type = 'configmap'").get()?.["n"]);
    assert.ok(saved > 100 && saved < 300, `${saved} of 300 saved`);
  } finally {
    db.close();
  }
});
