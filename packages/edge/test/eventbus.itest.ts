import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { deferred } from "@kedge/runtime";
import { EventBusHarness } from "./eventbus-harness.ts";
import { freePort, TestMosquitto, TestMqttClient } from "./test-mosquitto.ts";

const skip = TestMosquitto.missing();
const options = { skip, timeout: 30_000 };
const REPORT = "$hw/events/device/default/thermometer/twin/update";

/** What reached DeviceTwin, in order. */
function listenAsTwin(harness: EventBusHarness) {
  const received: string[] = [];
  let wake = deferred();
  harness.bus.handle("twin/mqtt", ({ topic, payload }) => {
    received.push(`${topic} ${payload.toString()}`);
    wake.resolve();
    wake = deferred();
  });
  return {
    received,
    async next(): Promise<string> {
      while (received.length === 0) await wake.promise;
      return received.shift() ?? "";
    },
  };
}

test("external broker: reports come in, publications go out", options, async () => {
  await using broker = await TestMosquitto.start();
  await using harness = new EventBusHarness();
  const twin = listenAsTwin(harness);
  const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
  await eventBus.ready;
  await using client = await TestMqttClient.connect(broker.url, ["out/#"]);
  await client.publish(REPORT, "hello");
  assert.equal(await twin.next(), `${REPORT} hello`);
  await harness.bus.request("bus/publish", { topic: "out/x", payload: "world" }, AbortSignal.timeout(5_000));
  assert.equal(await client.next("out/x"), "world");
});

test(
  "devices W44: external broker: is reconnected and resubscribed; publications of the meantime arrive",
  options,
  async () => {
    await using broker = await TestMosquitto.start();
    await using harness = new EventBusHarness();
    const twin = listenAsTwin(harness);
    const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
    await eventBus.ready;
    await harness.fromRouter("subscribe", "default/rule/topic");
    await broker.kill();
    for (const payload of ["1", "2"])
      await harness.bus.request("bus/publish", { topic: "away", payload }, AbortSignal.timeout(5_000));
    await broker.restart();
    await using client = await TestMqttClient.connect(broker.url, ["away"]);
    assert.equal(await client.next("away"), "1");
    assert.equal(await client.next("away"), "2");
    // Nobody tells us when the subscriber is back, so reports are repeated, as devices do.
    const repeating = new AbortController();
    const repeat = (async () => {
      while (!repeating.signal.aborted) {
        await client.publish(REPORT, "again");
        await client.publish("default/rule/topic", "rule");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    assert.equal(await twin.next(), `${REPORT} again`);
    assert.equal((await harness.nextSent()).route.resource, "default/rule/topic");
    repeating.abort();
    await repeat;
  },
);

test("external broker: a report is acknowledged once it is stored; others are taken meanwhile", options, async () => {
  await using broker = await TestMosquitto.start((_dir) => "allow_anonymous true\nmax_inflight_messages 3");
  await using harness = new EventBusHarness();
  const stored = deferred();
  let waiting = 0;
  let three = deferred();
  harness.bus.handle("twin/mqtt", async () => {
    waiting += 1;
    if (waiting === 3) three.resolve();
    await stored.promise;
  });
  const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
  await eventBus.ready;
  await using client = await TestMqttClient.connect(broker.url);
  for (let index = 0; index < 6; index += 1) await client.publish(REPORT, `${index}`);
  await three.promise; // the broker lets no more than three be unacknowledged
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(waiting, 3);
  three = deferred();
  waiting = 0;
  stored.resolve();
  await three.promise;
});

test("external broker: starts although nobody listens there, and connects later", options, async () => {
  const broker = await TestMosquitto.start();
  await using _ = broker;
  await broker.kill();
  await using harness = new EventBusHarness();
  const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
  await broker.restart();
  await eventBus.ready;
});

test("external broker: gives user name, password and client ids", options, async () => {
  await using broker = await TestMosquitto.start((dir) => {
    const file = path.join(dir, "passwords");
    execFileSync("mosquitto_passwd", ["-c", "-b", file, "edge", "secret"], { stdio: "ignore" });
    const acl = path.join(dir, "acl");
    writeFileSync(acl, "user edge\ntopic readwrite #\ntopic readwrite $hw/#\npattern write by/%c\n");
    return `allow_anonymous false\npassword_file ${file}\nacl_file ${acl}`;
  });
  await using harness = new EventBusHarness();
  const twin = listenAsTwin(harness);
  const eventBus = await harness.startEventBus({
    mqttServerExternal: broker.url,
    mqttUsername: "edge",
    mqttPassword: "secret",
    mqttSubClientID: "kedge-sub",
    mqttPubClientID: "kedge-pub",
  });
  await eventBus.ready;
  await using client = await TestMqttClient.connect(broker.url, [], { username: "edge", password: "secret" });
  await client.publish(REPORT, "x");
  assert.equal(await twin.next(), `${REPORT} x`);
});

test("external broker: mutual TLS; devices W43: a missing file is named", options, async () => {
  await using broker = await TestMosquitto.start((dir) => {
    makeCertificates(dir);
    return `allow_anonymous true\ncafile ${dir}/ca.crt\ncertfile ${dir}/server.crt\nkeyfile ${dir}/server.key\nrequire_certificate true`;
  });
  const files = (certificate: string) => ({
    enable: true,
    tlsMqttCAFile: path.join(broker.dir, "ca.crt"),
    tlsMqttCertFile: path.join(broker.dir, certificate),
    tlsMqttPrivateKeyFile: path.join(broker.dir, "client.key"),
  });
  await using harness = new EventBusHarness();
  await assert.rejects(harness.startEventBus({ mqttServerExternal: broker.url, eventBusTLS: files("absent.crt") }), {
    code: "TlsFileUnreadable",
    message: /tlsMqttCertFile.*absent\.crt/,
  });
  await using second = new EventBusHarness();
  const url = broker.url.replace("tcp:", "ssl:");
  const eventBus = await second.startEventBus({ mqttServerExternal: url, eventBusTLS: files("client.crt") });
  await eventBus.ready;
});

test(
  "rules: topics are stored, listened to, and carried to the cloud; publish and unsubscribe work",
  options,
  async () => {
    await using broker = await TestMosquitto.start();
    await using harness = new EventBusHarness();
    const eventBus = await harness.startEventBus({ mqttServerExternal: broker.url });
    await eventBus.ready;
    await using client = await TestMqttClient.connect(broker.url, ["to/edge"]);
    await client.publish("default/user/a", "built in");
    const uploaded = await harness.nextSent();
    assert.deepEqual(uploaded.route, { source: "bus", group: "user", operation: "upload", resource: "default/user/a" });
    assert.equal(uploaded.content, "built in");

    await harness.fromRouter("subscribe", "default/sensor");
    assert.deepEqual(harness.subTopics(), ["default/sensor"]);
    await client.publish("default/sensor", "23");
    assert.equal((await harness.nextSent()).content, "23");
    await harness.fromRouter("publish", "to/edge", "on");
    assert.equal(await client.next("to/edge"), "on");
    await harness.fromRouter("unsubscribe", "default/sensor");
    assert.deepEqual(harness.subTopics(), []);
    await assert.rejects(harness.fromRouter("subscribe", "a/#/b"), { code: "BadTopic" });
    await assert.rejects(harness.fromRouter("publish", "a/+"), { code: "BadTopic" });
  },
);

test(
  "internal broker: reports come in, publications go out, strangers' topics stay out",
  { timeout: 30_000 },
  async () => {
    await using harness = new EventBusHarness();
    const twin = listenAsTwin(harness);
    const eventBus = await harness.startEventBus({ mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" });
    await using client = await TestMqttClient.connect(`tcp://127.0.0.1:${eventBus.internalPort}`, ["out", "chat"]);
    await client.publish(REPORT, "1");
    await client.publish("chat", "hello");
    await client.publish(REPORT, "2");
    assert.equal(await client.next("chat"), "hello");
    assert.equal(await twin.next(), `${REPORT} 1`);
    assert.equal(await twin.next(), `${REPORT} 2`);
    await client.publish("default/user/x", "up");
    assert.equal((await harness.nextSent()).route.resource, "default/user/x");
    await harness.bus.request("bus/publish", { topic: "out", payload: "o" }, AbortSignal.timeout(5_000));
    assert.equal(await client.next("out"), "o");
  },
);

test("internal broker: a report is acknowledged only once it is stored", { timeout: 30_000 }, async () => {
  await using harness = new EventBusHarness();
  const stored = deferred();
  const asked = deferred();
  harness.bus.handle("twin/mqtt", async () => {
    asked.resolve();
    await stored.promise;
  });
  const eventBus = await harness.startEventBus({ mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" });
  await using client = await TestMqttClient.connect(`tcp://127.0.0.1:${eventBus.internalPort}`);
  let acknowledged = false;
  const published = client.publish(REPORT, "1").then(() => {
    acknowledged = true;
  });
  await asked.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(acknowledged, false);
  stored.resolve();
  await published;
});

test("internal broker: a packet beyond the limit ends that connection alone", { timeout: 30_000 }, async () => {
  await using harness = new EventBusHarness();
  const twin = listenAsTwin(harness);
  const eventBus = await harness.startEventBus({ mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" });
  const url = `tcp://127.0.0.1:${eventBus.internalPort}`;
  await using good = await TestMqttClient.connect(url);
  await using bad = await TestMqttClient.connect(url, [], { reconnectPeriod: 0 });
  const closed = new Promise<void>((resolve) => void bad.client.once("close", () => resolve()));
  bad.client.publish(REPORT, Buffer.alloc(2 * 1024 * 1024));
  await closed;
  const raw = connect(eventBus.internalPort ?? 0, "127.0.0.1");
  raw.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => void raw.once("close", () => resolve()));
  raw.write(Buffer.from("no MQTT at all, but a lot of it"));
  await ended;
  await good.publish(REPORT, "still here");
  assert.equal(await twin.next(), `${REPORT} still here`);
});

test("internal broker: a session that is away keeps as much as configured", { timeout: 30_000 }, async () => {
  await using harness = new EventBusHarness();
  const eventBus = await harness.startEventBus({
    mqttMode: 0,
    mqttServerInternal: "tcp://127.0.0.1:0",
    mqttSessionQueueSize: 5,
  });
  const url = `tcp://127.0.0.1:${eventBus.internalPort}`;
  const session = { clientId: "sleepy", clean: false };
  {
    await using sleepy = await TestMqttClient.connect(url, ["news"], session);
    await sleepy.client.endAsync();
  }
  await using client = await TestMqttClient.connect(url);
  for (let index = 0; index < 20; index += 1) await client.publish("news", String(index));
  await using sleepy = await TestMqttClient.connect(url, [], session);
  for (let index = 0; index < 5; index += 1) assert.equal(await sleepy.next("news"), String(index));
  await client.publish("news", "last");
  assert.equal(await sleepy.next("news"), "last");
});

test("internal broker: a taken port is named, with the key to change", { timeout: 30_000 }, async () => {
  await using first = new EventBusHarness();
  const port = await freePort();
  const config = { mqttMode: 0, mqttServerInternal: `tcp://127.0.0.1:${port}` } as const;
  await first.startEventBus(config);
  await using second = new EventBusHarness();
  await assert.rejects(second.startEventBus(config), {
    code: "CannotListen",
    message: new RegExp(`127\\.0\\.0\\.1:${port}.*mqttServerInternal`),
  });
});

test("both brokers: each publication goes to both, reports of both count", options, async () => {
  await using broker = await TestMosquitto.start();
  await using harness = new EventBusHarness();
  const twin = listenAsTwin(harness);
  const eventBus = await harness.startEventBus({
    mqttMode: 1,
    mqttServerInternal: "tcp://127.0.0.1:0",
    mqttServerExternal: broker.url,
  });
  await eventBus.ready;
  await using outside = await TestMqttClient.connect(broker.url, ["out"]);
  await using inside = await TestMqttClient.connect(`tcp://127.0.0.1:${eventBus.internalPort}`, ["out"]);
  await harness.bus.request("bus/publish", { topic: "out", payload: "o" }, AbortSignal.timeout(5_000));
  assert.equal(await outside.next("out"), "o");
  assert.equal(await inside.next("out"), "o");
  await outside.publish(REPORT, "outside");
  assert.equal(await twin.next(), `${REPORT} outside`);
  await inside.publish(REPORT, "inside");
  assert.equal(await twin.next(), `${REPORT} inside`);
});

/** A CA, and a server's and a client's certificate of it. */
function makeCertificates(dir: string): void {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "ignore" });
  openssl(
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=test-ca",
    "-days",
    "2",
  );
  for (const name of ["server", "client"]) {
    openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    );
    writeFileSync(path.join(dir, `${name}.ext`), "subjectAltName=IP:127.0.0.1\n");
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.crt",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      `${name}.crt`,
      "-days",
      "2",
      "-extfile",
      `${name}.ext`,
    );
  }
}
