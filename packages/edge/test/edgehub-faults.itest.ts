import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Message, mqttUpload, newMessage } from "@kedge/protocol";
import { MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EdgeHub } from "../src/edgehub/edgehub.ts";
import { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";
import { MetaManager } from "../src/metamanager/metamanager.ts";

/** A small generator with a seed, so that a failure can be played again: KEDGE_SEED=… */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MESSAGES = 400;
const OBJECTS = 30;

test("links cut at any moment lose nothing either way, and questions are answered", { timeout: 30_000 }, async (t) => {
  const seed = Number(process.env["KEDGE_SEED"] ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`KEDGE_SEED=${seed}`);
  const random = randomFrom(seed);
  const folder = mkdtempSync(join(tmpdir(), "kedge-faults-"));
  const signal = AbortSignal.timeout(25_000);
  await using scope = new AsyncDisposableStack();
  scope.defer(() => rmSync(folder, { recursive: true }));
  const cloud = scope.use(await TestCloud.start());
  const db = scope.adopt(openDatabase({ path: join(folder, "edgecore.db") }), (opened) => opened.close());
  const commits = scope.use(new GroupCommit(db));
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  // Waits are a twentieth of what they are on a node: the test is about what happens between them.
  const clock = { ...systemClock, sleep: (ms: number, until: AbortSignal) => systemClock.sleep(ms / 20, until) };
  const deps = { bus, db, commits, clock, logger: silentLogger };

  const acknowledged = new Map<string, number>();
  const pushes = new Map<string, { name: string; version: number }>();
  const versions = new Map<string, number>();
  const arrived: number[] = [];
  let untilCut = 20;
  const cutNowAndThen = () => {
    untilCut -= 1;
    if (untilCut > 0) return;
    untilCut = 10 + Math.floor(random() * 60);
    cloud.link.terminate("cut");
  };
  cloud.onMessage = (message, link) => {
    const { operation } = message.route;
    if (operation === "upload") arrived.push(Number(message.content));
    else if (operation === "response") {
      const push = pushes.get(message.header.parent_msg_id ?? "");
      if (push !== undefined) acknowledged.set(push.name, Math.max(push.version, acknowledged.get(push.name) ?? 0));
    } else if (operation === "query") void link.send(answer(message)).catch(() => undefined);
    cutNowAndThen();
  };

  scope.use(await MetaManager.start({ remoteQueryTimeoutMs: 10_000 }, deps));
  scope.use(
    await EdgeHub.start(
      {
        nodeName: "edge-1",
        projectId: "p",
        server: cloud.server,
        handshakeTimeoutMs: 5_000,
        writeTimeoutMs: 5_000,
        heartbeatMs: 15_000,
        messageQps: 0,
        messageBurst: 0,
        certificate: {
          httpServer: cloud.httpServer,
          token: cloud.token,
          bootstrapFile: join(folder, "none"),
          rotate: false,
          paths: { caFile: join(folder, "ca"), certFile: join(folder, "crt"), keyFile: join(folder, "key") },
        },
      },
      deps,
      signal,
    ),
  );

  /** Like a cloud: what is not acknowledged is sent again on the next link. */
  const pushAll = async () => {
    for (let links = 0; !isInStep();) {
      await cloud.until(() => cloud.links.length > links);
      links = cloud.links.length;
      const { link } = cloud;
      for (const [name, version] of versions) {
        if ((acknowledged.get(name) ?? 0) >= version || !link.open) continue;
        const message = configMap(name, version);
        pushes.set(message.header.msg_id, { name, version });
        await link.send(message).catch(() => undefined);
      }
      await cloud.until(() => isInStep() || !link.open || cloud.links.length > links);
    }
  };
  const isInStep = () => [...versions].every(([name, version]) => (acknowledged.get(name) ?? 0) >= version);

  for (let n = 0; n < OBJECTS; n += 1) versions.set(`cm-${n}`, 1 + Math.floor(random() * 1000));
  const sending = (async () => {
    for (let n = 0; n < MESSAGES; n += 1) await bus.request("hub/send", mqttUpload("topic", String(n)), signal);
  })();
  await Promise.all([sending, pushAll(), cloud.until(() => new Set(arrived).size === MESSAGES)]);

  // First arrivals are in order; repetitions are whole runs from where a link broke.
  const first = arrived.filter((n, at) => arrived.indexOf(n) === at);
  assert.deepEqual(
    first,
    Array.from({ length: MESSAGES }, (_, n) => n),
  );
  for (const [name, version] of versions) {
    const stored = db.prepare("SELECT value FROM meta WHERE key = ?").get(`default/configmap/${name}`);
    assert.match(String(stored?.["value"]), new RegExp(`"resourceVersion":"${version}"`));
  }
  t.diagnostic(`${cloud.links.length} links, ${arrived.length - MESSAGES} repetitions`);
  assert.ok(cloud.links.length >= 5);
});

function answer(request: Message): Message {
  const { resource = "" } = request.route;
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "response",
    resource,
    content: { metadata: { namespace: "default", name: resource.split("/")[2] } },
    parentId: request.header.msg_id,
  });
}

function configMap(name: string, version: number): Message {
  const resourceVersion = String(version);
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "update",
    resource: `default/configmap/${name}`,
    content: { metadata: { namespace: "default", name, uid: `uid-${name}`, resourceVersion } },
    resourceVersion,
  });
}
