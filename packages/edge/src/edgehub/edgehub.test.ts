import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { acknowledge, type Message, MESSAGE_BYTES_MAX, mqttUpload, newMessage, queryObject } from "@kedge/protocol";
import { deferred, hasCode, silentLogger } from "@kedge/runtime";
import { hubBed, hurry, NODE, saveIdentity } from "./hub-bed.test-data.ts";
import { StallingProxy } from "./stalling-proxy.test-data.ts";
import type { TestCloud } from "./test-cloud.test-data.ts";

const CERTIFICATE_SUBJECT = `C=CN,ST=Zhejiang,L=Hangzhou,O=system:nodes,CN=system:node:${NODE}`;

function push(name: string, id?: string): Message {
  const message = newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "insert",
    resource: `default/configmap/${name}`,
    content: { metadata: { namespace: "default", name } },
  });
  return id === undefined ? message : { ...message, header: { ...message.header, msg_id: id } };
}

function reply(request: Message, content: unknown): Message {
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "response",
    resource: request.route.resource ?? "",
    content,
    parentId: request.header.msg_id,
  });
}

const query = () => queryObject("configmap", { namespace: "default", name: "cm1" });

describe("joining and connecting", () => {
  test("joins with a token, connects as KubeEdge's edges do, and says that it is here", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    const [seen] = bed.cloud.certificateRequests;
    assert.equal(seen?.authorization, `Bearer ${bed.cloud.bearer}`);
    assert.equal(seen?.nodeName, NODE);
    assert.equal(seen?.csr.subject.replaceAll(", ", ","), CERTIFICATE_SUBJECT);
    assert.equal(await seen?.csr.verify(), true);
    assert.equal(bed.tokenUsed, true);
    const [request] = bed.cloud.linkRequests;
    assert.equal(request?.path, `/e632aba927ea4ac2b575ec1603d56f10/${NODE}/events`);
    assert.equal(request?.headers["node_id"], NODE);
    assert.equal(request?.headers["project_id"], "e632aba927ea4ac2b575ec1603d56f10");
    assert.equal(request?.headers["connectionuse"], "msg");
    assert.equal(request?.certificate.subject.CN, `system:node:${NODE}`);
    const first = await bed.cloud.until(() => bed.cloud.received[0]);
    assert.deepEqual(first.route, { source: "websocket", group: "resource", operation: "keepalive", resource: "node" });
    assert.equal(first.content, "ping");
  });

  test("W11: keys are for root alone, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      await using bed = await hubBed();
      await bed.start();
      for (const path of Object.values(bed.paths)) assert.equal(statSync(path).mode & 0o777, 0o600, path);
      for (const folder of ["ca", "certs"]) assert.equal(statSync(join(bed.folder, folder)).mode & 0o777, 0o700);
      assert.match(readFileSync(bed.paths.keyFile, "utf8"), /^-----BEGIN EC PRIVATE KEY-----/);
      assert.match(readFileSync(bed.paths.certFile, "utf8"), /^-----BEGIN CERTIFICATE-----/);
    } finally {
      process.umask(umask);
    }
  });

  test("a second start needs no token", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    await bed.stop();
    await bed.start({ certificate: { ...bed.config().certificate, token: "" } });
    await bed.connected.promise;
    assert.equal(bed.cloud.certificateRequests.length, 1);
  });

  test("the token that keadm leaves in its file goes before the configuration's", async () => {
    await using bed = await hubBed();
    const { certificate } = bed.config();
    writeFileSync(certificate.bootstrapFile, `${bed.cloud.token}\n`);
    await bed.start({ certificate: { ...certificate, token: "nonsense" } });
    await bed.connected.promise;
  });

  const refusals: { name: string; token: (cloud: TestCloud) => string; code: string; says: RegExp }[] = [
    { name: "a malformed token", token: () => "abc", code: "TokenMalformed", says: /four parts/ },
    { name: "no token", token: () => "", code: "NoCertificate", says: /set edgeHub.token/ },
    {
      name: "another cloud's token",
      token: (cloud) => `${"0".repeat(64)}.${cloud.bearer}`,
      code: "CaHashMismatch",
      says: /not the cloud that this token is from/,
    },
    {
      name: "a wrong token",
      token: (cloud) => `${cloud.authority.hash}.eyJhIjoxfQ.eyJleHAiOjk5OTk5OTk5OTl9.x`,
      code: "TokenRefused",
      says: /refused the join token.*keadm gettoken/,
    },
    {
      name: "an expired token",
      token: (cloud) => `${cloud.authority.hash}.eyJhIjoxfQ.eyJleHAiOjF9.x`,
      code: "TokenExpired",
      says: /expired at 1970-01-01T00:00:01.000Z: get a new one/,
    },
  ];
  for (const { name, token, code, says } of refusals)
    test(`${name} ends the start with one cause and one thing to do`, async () => {
      await using bed = await hubBed();
      const { certificate } = bed.config();
      await assert.rejects(bed.start({ certificate: { ...certificate, token: token(bed.cloud) } }), (error) => {
        assert.ok(hasCode(error, code), String(error));
        assert.match(error.message, says);
        return true;
      });
    });

  test("what our own cloud says of a token, cure and all, is told as it is, and once", async () => {
    await using bed = await hubBed();
    const cure = "give this host that name (hostnameOverride), or make a token for edge-1 with keadm token create";
    bed.cloud.refusal = `join token t1 is for node edge-2, not for edge-1: ${cure}`;
    const { certificate } = bed.config();
    const token = `${bed.cloud.authority.hash}.eyJhIjoxfQ.eyJleHAiOjk5OTk5OTk5OTl9.x`;
    const failures: { fix: string }[] = [];
    using _ = bed.bus.listen("hub/failure", (failure) => failures.push(failure));
    const error = await bed.start({ certificate: { ...certificate, token } }).then(
      () => assert.fail("it joined"),
      (thrown: Error) => thrown,
    );
    assert.ok(error.message.endsWith(`refused the join token of node edge-1: ${bed.cloud.refusal}`), error.message);
    assert.deepEqual(
      failures.map(({ fix }) => fix),
      [cure],
    );
  });

  test("a certificate of another node is not used; with a token the node joins anew", async () => {
    await using bed = await hubBed();
    saveIdentity(bed.paths, await bed.cloud.authority.identity("CN=system:node:other"));
    const { certificate } = bed.config();
    await assert.rejects(bed.start({ certificate: { ...certificate, token: "" } }), /is for "system:node:other"/);
    await bed.start();
    await bed.connected.promise;
    assert.equal(bed.cloud.linkRequests[0]?.certificate.subject.CN, `system:node:${NODE}`);
  });

  test("renews its certificate with itself in time, and connects with the new one", async () => {
    await using bed = await hubBed();
    // 95 % of its life are over: past every rotation deadline.
    bed.cloud.issued = { notBefore: new Date(Date.now() - 95_000), notAfter: new Date(Date.now() + 5_000) };
    await bed.start({ certificate: { ...bed.config().certificate, rotate: false } });
    await bed.connected.promise;
    await bed.stop();
    bed.cloud.issued = {};
    await bed.start();
    await bed.cloud.until(() => bed.cloud.links.length >= 2 && bed.cloud.certificateRequests.length >= 2);
    const renewal = bed.cloud.certificateRequests.at(-1);
    assert.equal(renewal?.byCertificate, true);
    assert.equal(renewal?.authorization, undefined);
    const serial = () => bed.cloud.linkRequests.at(-1)?.certificate.serialNumber;
    await bed.cloud.until(() => serial() !== bed.cloud.linkRequests[0]?.certificate.serialNumber);
  });
});

describe("downstream", () => {
  test("brings messages of one object in order, those of others meanwhile, and sends the replies", async () => {
    await using bed = await hubBed();
    const order: string[] = [];
    const gate = deferred();
    bed.bus.handle("meta/downstream", async (message) => {
      if (message.header.msg_id === "a1") await gate.promise;
      order.push(message.header.msg_id);
      return acknowledge(message);
    });
    await bed.start();
    await bed.connected.promise;
    for (const [name, id] of [
      ["a", "a1"],
      ["a", "a2"],
      ["b", "b1"],
    ] as const)
      void bed.cloud.link.send(push(name, id));
    await bed.cloud.until(() => bed.cloud.received.find(({ header }) => header.parent_msg_id === "b1"));
    gate.resolve();
    await bed.cloud.until(() => bed.cloud.received.find(({ header }) => header.parent_msg_id === "a2"));
    assert.deepEqual(order, ["b1", "a1", "a2"]);
  });

  test("routes by group, and one that nobody takes does no harm", async () => {
    await using bed = await hubBed();
    const got: string[] = [];
    const last = deferred();
    bed.bus.handle("meta/downstream", () => void got.push("meta"));
    bed.bus.handle("twin/downstream", () => void got.push("twin"));
    bed.bus.handle("bus/downstream", () => {
      got.push("bus");
      last.resolve();
    });
    await bed.start();
    await bed.connected.promise;
    const say = (source: string, group: string, resource: string) =>
      bed.cloud.link.send(newMessage({ source, group, operation: "update", resource, content: null }));
    await say("resource", "cloudhub", "node/edge-1");
    await say("taskmanager", "taskmanager", "x");
    await say("router_servicebus", "user", "x");
    await say("edgecontroller", "resource", "default/pod/a");
    await say("devicecontroller", "twin", "membership");
    await say("router_eventbus", "user", "default/topic");
    await last.promise;
    assert.deepEqual(got.toSorted(), ["bus", "meta", "twin"]);
  });

  test("W17: an answer nobody waits for any more goes to MetaManager", async () => {
    await using bed = await hubBed();
    const late = deferred<Message>();
    bed.bus.handle("meta/downstream", (message) => late.resolve(message) as undefined);
    await bed.start();
    await bed.connected.promise;
    const answer = reply(query(), { metadata: {} });
    await bed.cloud.link.send(answer);
    assert.equal((await late.promise).header.msg_id, answer.header.msg_id);
  });

  test("answers control messages as a WebSocket peer must", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    const ping = newMessage({ source: "x", group: "y", operation: "ping", resource: "z", content: null });
    await bed.cloud.link.send(ping);
    const ack = await bed.cloud.message("response", "z");
    assert.equal(ack.content, "ack");
    assert.equal(ack.header.parent_msg_id, ping.header.msg_id);
  });
});

describe("upstream", () => {
  test("W36: a question gets its answer, however fast", async () => {
    await using bed = await hubBed();
    bed.cloud.onMessage = (message, link) => {
      if (message.route.operation === "query") void link.send(reply(message, "OK"));
    };
    await bed.start();
    await bed.connected.promise;
    const answers = await Promise.all(Array.from({ length: 50 }, () => bed.request(query())));
    assert.ok(answers.every(({ content }) => content === "OK"));
  });

  test("a question that is too large fails, and costs nobody else anything", async () => {
    await using bed = await hubBed();
    bed.cloud.onMessage = (message, link) => {
      if (message.route.operation === "query") void link.send(reply(message, "OK"));
    };
    await bed.start();
    await bed.connected.promise;
    const huge = { ...query(), content: "x".repeat(MESSAGE_BYTES_MAX) };
    await assert.rejects(bed.request(huge), (error) => hasCode(error, "MessageTooLarge"));
    await assert.rejects(bed.bus.request("hub/send", { ...mqttUpload("t", ""), content: huge.content }, bed.signal));
    assert.equal((await bed.request(query())).content, "OK");
    assert.equal(bed.cloud.links.length, 1);
  });

  test("questions fail at once while the cloud is away, and in time when it stays silent", async () => {
    await using bed = await hubBed();
    await bed.cloud.close();
    await bed.start();
    await assert.rejects(bed.request(query()), (error) => hasCode(error, "NotConnected"));
    await bed.cloud.open();
    await bed.connected.promise;
    await assert.rejects(bed.request(query(), 50), (error) => hasCode(error, "Timeout"));
  });

  test("a question in flight when the link breaks is asked again on the next link", async () => {
    await using bed = await hubBed();
    bed.cloud.onMessage = (message, link) => {
      if (message.route.operation !== "query") return;
      if (bed.cloud.links.length === 1) link.terminate("cut");
      else void link.send(reply(message, "again"));
    };
    await bed.start({ heartbeatMs: 1_000 });
    await bed.connected.promise;
    assert.equal((await bed.request(query())).content, "again");
  });

  test("what was accepted while the cloud was away arrives in order, after a restart too", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    await bed.cloud.close();
    await bed.disconnected.promise;
    const send = (n: number) => bed.bus.request("hub/send", mqttUpload("topic", String(n)), bed.signal);
    for (const n of [1, 2, 3]) await send(n);
    await bed.stop();
    await bed.start();
    await send(4);
    await bed.cloud.open();
    await bed.cloud.until(() => bed.cloud.received.find(({ content }) => content === "4"));
    const uploads = bed.cloud.received.filter(({ route }) => route.operation === "upload");
    assert.deepEqual(
      uploads.map(({ content }) => content),
      ["1", "2", "3", "4"],
    );
  });

  test("what a broken link may have lost is sent again, with the same ids", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    bed.cloud.onMessage = ({ route }, link) => {
      if (route.operation === "upload" && bed.cloud.links.length === 1) link.terminate("cut"); // before it says that it got it
    };
    await bed.bus.request("hub/send", mqttUpload("topic", "one"), bed.signal);
    await bed.cloud.until(() => bed.cloud.received.filter(({ content }) => content === "one").length === 2);
    const ids = bed.cloud.received.filter(({ content }) => content === "one").map(({ header }) => header.msg_id);
    assert.equal(new Set(ids).size, 1);
  });

  test("what has arrived for sure leaves the disk", async () => {
    await using bed = await hubBed();
    hurry(bed);
    await bed.start();
    await bed.connected.promise;
    await bed.bus.request("hub/send", mqttUpload("topic", "one"), bed.signal);
    const count = bed.db.prepare("SELECT count(*) AS n FROM kedge_outbox");
    assert.equal(count.get()?.["n"], 1);
    await bed.cloud.until(() => count.get()?.["n"] === 0); // looked at with every keepalive
    bed.cloud.link.terminate("cut");
    await bed.cloud.until(() => bed.cloud.links.length === 2);
    await bed.bus.request("hub/send", mqttUpload("topic", "two"), bed.signal);
    await bed.cloud.until(() => bed.cloud.received.find(({ content }) => content === "two"));
    assert.equal(bed.cloud.received.filter(({ content }) => content === "one").length, 1, "and is not sent again");
  });

  test("W48: after many links only the newest one is written to, each message once and in order", async () => {
    await using bed = await hubBed();
    hurry(bed);
    await bed.start();
    for (let links = 1; links <= 20; links += 1) {
      await bed.cloud.until(() => bed.cloud.links.length === links);
      await bed.connected.promise;
      if (links === 20) break;
      bed.cloud.link.terminate("cut");
      await bed.disconnected.promise;
    }
    const { link } = bed.cloud;
    const senders = new Set<unknown>();
    bed.cloud.onMessage = ({ route }, from) => void (route.operation === "upload" && senders.add(from));
    const contents = Array.from({ length: 50 }, (_, n) => String(n));
    for (const content of contents) await bed.upload(content);
    const uploads = () => bed.cloud.received.filter(({ route }) => route.operation === "upload");
    await bed.cloud.until(() => uploads().some(({ content }) => content === contents.at(-1)));
    assert.deepEqual(
      uploads().map(({ content }) => content),
      contents,
    );
    assert.deepEqual([...senders], [link]);
  });

  test("an ack is never kept: it belongs to its session", async () => {
    await using bed = await hubBed();
    await bed.cloud.close();
    await bed.start();
    await bed.bus.request("hub/send", reply(query(), "OK"), bed.signal);
    await bed.bus.request("hub/send", mqttUpload("topic", "kept"), bed.signal);
    await bed.cloud.open();
    await bed.cloud.message("upload", "topic");
    assert.ok(bed.cloud.received.every(({ route }) => route.operation !== "response"));
  });
});

describe("the link", () => {
  test("W35: a cloud that closes is noticed, and the node is back at once", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    const closed = bed.disconnected.promise;
    void bed.cloud.link.close("bye");
    await closed;
    await bed.cloud.until(() => bed.cloud.links.length === 2);
  });

  test("waits as long as the cloud says before it comes again", async () => {
    await using bed = await hubBed();
    bed.cloud.admit = () =>
      bed.cloud.linkRequests.length === 1 ? { httpStatus: 429, reason: "too many", retryAfterSeconds: 1 } : undefined;
    const startedMs = performance.now();
    await bed.start();
    await bed.cloud.until(() => bed.cloud.links.length === 1);
    assert.ok(performance.now() - startedMs >= 1_000);
  });

  test("W35: a half-open link is noticed within one and a half heartbeats", async () => {
    await using bed = await hubBed();
    await using proxy = await StallingProxy.start(bed.cloud.server);
    const heartbeatMs = 1_000;
    await bed.start({ heartbeatMs, server: proxy.address });
    await bed.connected.promise;
    await bed.cloud.message("keepalive", "node");
    const closed = bed.disconnected.promise;
    proxy.stall();
    const stalledMs = performance.now();
    await closed;
    const noticedMs = performance.now() - stalledMs;
    assert.ok(noticedMs <= heartbeatMs * 1.5 + 1_000, `noticed after ${Math.round(noticedMs)} ms`);
    await bed.cloud.until(() => bed.cloud.links.length === 2); // new connections get through
  });

  test("a node name that the cluster has already is worth a warning, unless it is our own", async () => {
    for (const known of [false, true]) {
      await using bed = await hubBed();
      bed.cloud.nodes.add(NODE);
      bed.bus.handle("meta/getNode", () => (known ? { metadata: { name: NODE } } : undefined));
      const warnings: string[] = [];
      const warn = (_facts: object | string, message?: string) => void warnings.push(message ?? "");
      await bed.start({}, { ...silentLogger, warn });
      await bed.connected.promise;
      assert.equal(
        warnings.some((text) => text.includes("give one of them another hostnameOverride")),
        !known,
      );
    }
  });
});
