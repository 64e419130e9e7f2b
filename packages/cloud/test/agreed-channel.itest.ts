import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { type Event, EVENTS, type Node, NODES } from "@kedge/kube";
import { createEvent, type Message, newMessage, patchEvent } from "@kedge/protocol";
import { type Logger, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { MESSAGES_AT_ONCE_MAX, MESSAGES_PER_SECOND_MAX } from "../src/cloudhub/message-rate.ts";
import { AgreedEdge } from "./agreed-edge.ts";
import { type CloudFixture, failingKube, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const labels = { "node-role.kubernetes.io/edge": "" };

suite(
  "the channel that our own ends agree on, on a real Kubernetes API",
  {
    skip: TestKubernetes.missing(),
    timeout: 300_000,
  },
  () => {
    let kubernetes: TestKubernetes;
    let shared: CloudFixture;
    let count = 0;
    /** Which calls of CloudCore fail, for tests that want so. */
    let fails: (method: string, resource: string) => boolean = () => false;
    const warnings: { facts: object; text: string }[] = [];
    const logger: Logger = Object.assign(Object.create(silentLogger) as Logger, {
      warn: (facts: object, text: string) => void warnings.push({ facts, text }),
      child: () => logger,
    });

    before(async () => {
      kubernetes = await startKubernetes();
      shared = await startCloud(kubernetes, {}, logger, (kube) =>
        failingKube(kube, (method, resource) => fails(method, resource)),
      );
    });
    after(async () => {
      await shared[Symbol.asyncDispose]();
      await kubernetes[Symbol.asyncDispose]();
    });

    async function newNode(): Promise<EdgeIdentity> {
      count += 1;
      const node = `agreed-${count}`;
      await shared.kube.create<Node>(NODES, { metadata: { name: node, labels } }, shared.signal);
      return join(shared.cloud.ports.https, await shared.token(), node);
    }
    const connect = (identity: EdgeIdentity, offer?: { stream: string; sent?: number }) =>
      AgreedEdge.connect(shared.cloud.ports.websocket, identity, offer);

    const eventOf = (node: string, name: string, counted = 1): Event =>
      ({
        metadata: { namespace: "default", name },
        involvedObject: { kind: "Node", name: node, uid: node },
        source: { component: "kubelet", host: node },
        reason: "Test",
        message: name,
        type: "Normal",
        count: counted,
      }) as Event;
    const stored = (name: string) => shared.kube.get(EVENTS, { namespace: "default", name }, shared.signal);
    const refusals = (node: string) => warnings.filter(({ facts }) => (facts as { node?: string }).node === node);

    test("agrees with an edge that offers, and never with a stock one", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      assert.equal(edge.agreement.applied, 0);
      assert.ok(edge.agreement.epoch > 0);
      await using stock = await StockEdge.connect(shared.cloud.ports.websocket, await newNode());
      stock.send({ ...createEvent(eventOf(stock.node, "stock-1")), header: { msg_id: "1", timestamp: 1, seq: 7 } });
      await stock.wait(({ route }) => route.resource === `null/node/${stock.node}`);
      assert.equal(
        stock.received.some(({ header }) => header.seq !== undefined),
        false,
      );
    });

    test("says what is done, and does nothing again that it has done", { timeout }, async () => {
      const identity = await newNode();
      const stream = randomUUID();
      {
        await using edge = await connect(identity, { stream });
        for (const seq of [1, 2, 4, 9]) edge.say(createEvent(eventOf(identity.node, `a${seq}`)), seq);
        await edge.untilApplied(9);
        for (const seq of [1, 2, 4, 9]) assert.equal((await stored(`a${seq}`)).message, `a${seq}`);
      }
      await shared.kube.delete(EVENTS, { namespace: "default", name: "a9" }, shared.signal);
      await using edge = await connect(identity, { stream, sent: 9 });
      assert.equal(edge.agreement.applied, 9);
      edge.say(createEvent(eventOf(identity.node, "a9")), 9); // it did not hear our answer
      edge.say(createEvent(eventOf(identity.node, "a10")), 10);
      await edge.untilApplied(10);
      await assert.rejects(stored("a9"), { code: "NotFound" });
    });

    test("another stream of the node begins anew", { timeout }, async () => {
      const identity = await newNode();
      {
        await using edge = await connect(identity);
        edge.say(createEvent(eventOf(identity.node, "b1")), 50);
        await edge.untilApplied(50);
      }
      await using edge = await connect(identity);
      assert.equal(edge.agreement.applied, 0);
      edge.say(createEvent(eventOf(identity.node, "b2")), 1);
      await edge.untilApplied(1);
      assert.equal((await stored("b2")).message, "b2");
    });

    test("repeats what fails while the API server is away, and keeps the order of one thing", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      let failed = 0;
      fails = (method, resource) => method === "create" && resource === "events" && (failed += 1) <= 3;
      try {
        const message = (seq: number): Message => {
          const event = eventOf(identity.node, "c", seq);
          return seq === 1 ? createEvent(event) : patchEvent(event, JSON.stringify({ count: seq }));
        };
        for (const seq of [1, 2, 3]) edge.say(message(seq), seq);
        await edge.untilApplied(3);
      } finally {
        fails = () => false;
      }
      assert.ok(failed > 3);
      assert.equal((await stored("c")).count, 3);
    });

    test("what is refused for good counts as done, with a warning that names it", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      edge.say(createEvent(eventOf("somebody-else", "d1")), 1);
      edge.say(createEvent(eventOf(identity.node, "d2")), 2);
      edge.say({ ...createEvent(eventOf(identity.node, "d3")), route: { operation: "no", resource: "such/thing" } }, 3);
      await edge.untilApplied(3);
      await assert.rejects(stored("d1"), { code: "NotFound" });
      await stored("d2");
      assert.match(JSON.stringify(refusals(identity.node)), /default\/event\/d1/);
    });

    test("what is not done when the link ends is given up, and done once it comes again", { timeout }, async () => {
      const identity = await newNode();
      const stream = randomUUID();
      let away = true;
      const asked = Promise.withResolvers<void>();
      fails = (method, resource) => {
        if (!away || method !== "create" || resource !== "events") return false;
        asked.resolve();
        return true;
      };
      try {
        await using edge = await connect(identity, { stream });
        edge.say(createEvent(eventOf(identity.node, "e1")), 1);
        edge.say(createEvent(eventOf(identity.node, "e2")), 2);
        await asked.promise;
      } finally {
        away = false;
        fails = () => false;
      }
      await using edge = await connect(identity, { stream, sent: 2 });
      assert.equal(edge.agreement.applied, 0);
      edge.say(createEvent(eventOf(identity.node, "e2")), 2); // e1 was too old by now
      await edge.untilApplied(2);
      await stored("e2");
      await assert.rejects(stored("e1"), { code: "NotFound" });
    });

    test("an event that may be said again does not lose count", { timeout }, async () => {
      const identity = await newNode();
      const count = (counted: number) =>
        patchEvent(eventOf(identity.node, "g", counted), JSON.stringify({ count: counted }));
      {
        await using edge = await connect(identity);
        edge.say(createEvent(eventOf(identity.node, "g")), 1);
        edge.say(count(5), 5);
        await edge.untilApplied(5);
      }
      // A cloudcore that does not know the stream, as after a restart.
      await using edge = await connect(identity, { stream: randomUUID(), sent: 5 });
      edge.say(createEvent(eventOf(identity.node, "g")), 1);
      edge.say(count(2), 2);
      await edge.untilApplied(2);
      assert.equal((await stored("g")).count, 5);
      edge.say(count(6), 6);
      await edge.untilApplied(6);
      assert.equal((await stored("g")).count, 6);
    });

    test("a node that speaks too fast is read more slowly, and loses nothing", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      const messages = MESSAGES_AT_ONCE_MAX + MESSAGES_PER_SECOND_MAX;
      const started = performance.now();
      // What nobody works on is done at once: only the rate holds it up.
      const nothing = newMessage({ source: "bus", group: "user", operation: "upload", resource: "t", content: "" });
      for (let seq = 1; seq <= messages; seq += 1) edge.say(nothing, seq);
      await edge.untilApplied(messages);
      assert.ok(performance.now() - started > 800);
      assert.ok(edge.link.open);
    });

    test("a node that asks too fast for its lease is read more slowly, too", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      const frames = MESSAGES_AT_ONCE_MAX + MESSAGES_PER_SECOND_MAX;
      const started = performance.now();
      for (let request = 1; request <= frames; request += 1) edge.control({ kind: "renewLease", request });
      await edge.until(() => edge.frames.length >= frames);
      assert.ok(performance.now() - started > 800);
      assert.ok(edge.link.open);
    });

    test("tells in few frames how far it is", { timeout }, async () => {
      const identity = await newNode();
      await using edge = await connect(identity);
      const messages = 200;
      for (let seq = 1; seq <= messages; seq += 1) edge.say(createEvent(eventOf(identity.node, `f${seq}`)), seq);
      await edge.untilApplied(messages);
      assert.ok(edge.frames.length < messages / 2, `${edge.frames.length} frames`);
    });
  },
);
