import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "@kedge/testing";
import { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";
import type { AgentStatusDocument } from "../src/edgecore-status.ts";
import { EdgeCoreProcess } from "./edgecore-process.test-data.ts";

const TIMEOUT = { timeout: 60_000 };

/** Edged is off in these files; its switch stays so, and the rest of its settings count. */
function withPort(agent: EdgeCoreProcess, port: number): void {
  const yaml = readFileSync(agent.config, "utf8");
  const kubelet = `hostnameOverride: edge-1\n    tailoredKubeletConfig: {readOnlyPort: ${port}}`;
  writeFileSync(agent.config, yaml.replace("hostnameOverride: edge-1", kubelet));
}

/** Asks until the agent listens and `accept` takes its answer: its process does not tell us when. */
async function status(port: number, accept: (document: AgentStatusDocument) => boolean): Promise<AgentStatusDocument> {
  const signal = AbortSignal.timeout(20_000);
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/status`, { signal }).catch(() => undefined);
    const document = (await response?.json()) as AgentStatusDocument | undefined;
    if (document !== undefined && accept(document)) return document;
    await delay(50, undefined, { signal });
  }
}

const text = async (port: number, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, body: await response.text() };
};

test("tells that it is connected, and after the cloud went, that it goes on offline and why", TIMEOUT, async () => {
  const port = await freePort();
  await using agent = new EdgeCoreProcess();
  {
    await using cloud = await TestCloud.start();
    agent.writeConfig(cloud);
    withPort(agent, port);
    agent.start();
    const document = await status(port, ({ connected }) => connected);
    assert.equal(document.state, "connected");
    assert.equal(document.node, "edge-1");
    assert.equal(document.pid, agent.pid);
    assert.equal(document.joined, true);
    assert.ok(Date.parse(document.connectedSince ?? "") >= Date.parse(document.startedAt));
    assert.equal(document.lastError, undefined);
    assert.deepEqual(document.queue, { messages: 0, bytes: 0 });
    assert.deepEqual(await text(port, "/healthz"), { status: 200, body: "ok" });
    const ready = await text(port, "/readyz");
    assert.equal(ready.status, 200, ready.body);
    assert.match(ready.body, /^\[\+\]certificate valid until .*\n\[\+\]cloud connected to /);
    const metrics = (await text(port, "/metrics")).body;
    assert.match(metrics, /^kedge_edge_connected 1$/m);
    assert.match(metrics, /^kedge_edge_traffic_bytes_total\{direction="out",resource="keepalive"\} \d+$/m);
    assert.equal((await text(port, "/pods")).status, 401);
  }
  const { state, connectedSince, lastError } = await status(port, ({ lastError: error }) => (error?.count ?? 0) > 1);
  // Nothing is known of the cluster yet, so there is nothing to go on with.
  assert.deepEqual([state, connectedSince], ["connecting", undefined]);
  assert.equal(lastError?.code, "ConnectionRefused");
  assert.equal(lastError.fix, "check the address, and that cloudcore runs");
  assert.equal((await text(port, "/readyz")).status, 503);
  assert.match((await text(port, "/readyz")).body, /^\[-\]cloud nothing listens at .*: check the address/m);
});

test("while it cannot join it says so, once in the log, and each time in its status", TIMEOUT, async () => {
  const port = await freePort();
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  withPort(agent, port);
  // The certificate names 127.0.0.1 alone.
  writeFileSync(agent.config, readFileSync(agent.config, "utf8").replaceAll("127.0.0.1:", "localhost:"));
  agent.start();
  const document = await status(port, ({ lastError }) => (lastError?.count ?? 0) >= 3);
  assert.deepEqual([document.state, document.joined, document.ready], ["joining", false, false]);
  assert.equal(document.lastError?.code, "WrongServerName");
  assert.match(document.lastError.message, /is for another name: add this one to advertiseAddress or dnsNames/);
  await agent.end("SIGTERM");
  const lines = agent.stderr.split("\n").filter((line) => line.includes('"component":"edgehub"'));
  assert.equal(lines.filter((line) => line.includes("joining with the token")).length, 1);
  assert.equal(lines.filter((line) => line.includes("is for another name")).length, 1);
  assert.match(lines.at(-1) ?? "", /is for another name/, "the cause is the last word");
});

test("an agent that gives up leaves its last words, and the next one takes them away", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  withPort(agent, await freePort());
  const good = readFileSync(agent.config, "utf8");
  writeFileSync(agent.config, good.replace(cloud.token, "abc"));
  agent.start();
  assert.equal(await agent.end(), 1);
  const file = join(agent.folder, "edgecore-status.json");
  const left = JSON.parse(readFileSync(file, "utf8")) as AgentStatusDocument;
  assert.deepEqual([left.state, left.node, left.ready], ["failed", "edge-1", false]);
  assert.equal(left.lastError?.code, "TokenMalformed");
  assert.equal(left.lastError.fix, "copy the join token whole, as `keadm gettoken` prints it");
  writeFileSync(agent.config, good);
  agent.start();
  await cloud.message("keepalive", "node");
  assert.ok(!existsSync(file));
});

test("W-11: without a port the agent tells nobody how it is, and does its work", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  withPort(agent, 0);
  agent.start();
  await cloud.message("keepalive", "node");
  assert.equal(await agent.end("SIGTERM"), 0);
  assert.doesNotMatch(agent.stderr, /cannot listen/);
});

test("W-11: a taken port is a warning, and the agent does its work", TIMEOUT, async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  assert.ok(address !== null && typeof address === "object");
  try {
    await using cloud = await TestCloud.start();
    await using agent = new EdgeCoreProcess();
    agent.writeConfig(cloud);
    withPort(agent, address.port);
    agent.start();
    await cloud.message("keepalive", "node");
    assert.equal(await agent.end("SIGTERM"), 0);
    assert.match(agent.stderr, new RegExp(`cannot listen on 127.0.0.1:${address.port}, so /healthz .*readOnlyPort`));
  } finally {
    taken.close();
  }
});
