import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { type Event, EVENTS, type KubeObject, type Node, NODES, PODS } from "@kedge/kube";
import { Informer } from "@kedge/kube-client";
import { acknowledge, createEvent, type Message, patchEvent, requiresAck } from "@kedge/protocol";
import { Hostility, TestKubernetes } from "@kedge/testing";
import { AgreedEdge } from "./agreed-edge.ts";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const labels = { "node-role.kubernetes.io/edge": "" };
const OBJECTS = 12;
const CHANGES = 40;
const EVENT_COUNT = 60;

/** An edge whose acknowledgements the test sends. */
interface HostileEdge extends AsyncDisposable {
  readonly received: readonly Message[];
  say(message: Message): void;
}

suite("an edge that repeats and reorders", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
  let kubernetes: TestKubernetes;
  let shared: CloudFixture;
  let count = 0;

  before(async () => {
    kubernetes = await startKubernetes();
    shared = await startCloud(kubernetes);
  });
  after(async () => {
    await shared[Symbol.asyncDispose]();
    await kubernetes[Symbol.asyncDispose]();
  });

  async function newNode(): Promise<EdgeIdentity> {
    count += 1;
    const node = `hostile-${count}`;
    await shared.kube.create<Node>(NODES, { metadata: { name: node, labels } }, shared.signal);
    return join(shared.cloud.ports.https, await shared.token(), node);
  }

  const kinds = {
    stock: async (identity: EdgeIdentity): Promise<HostileEdge> => {
      const edge = await StockEdge.connect(shared.cloud.ports.websocket, identity);
      edge.acknowledges = () => false;
      return Object.assign(edge, { say: (message: Message) => edge.send(message) });
    },
    ours: async (identity: EdgeIdentity): Promise<HostileEdge> => {
      const edge = await AgreedEdge.connect(shared.cloud.ports.websocket, identity);
      edge.acknowledges = () => false;
      const say = (message: Message) => void edge.link.send(message).catch(() => undefined);
      return {
        received: edge.received,
        say,
        [Symbol.asyncDispose]: () => edge[Symbol.asyncDispose](),
      };
    },
  };

  const metadataOf = ({ content }: Message) => (content as KubeObject | undefined)?.metadata ?? {};
  const versionOf = (text: string | undefined) => BigInt(text ?? 0);

  for (const [kind, connect] of Object.entries(kinds))
    test(
      `acknowledgements of ${kind === "ours" ? "an edge of ours" : "a stock edge"} count for what they name, once: records only grow, and no deletion is undone`,
      { timeout },
      async (t) => {
        const hostile = new Hostility(t);
        const { kube, signal } = shared;
        const identity = await newNode();
        const { node } = identity;
        const violations: string[] = [];
        const acknowledged = new Map<string, Set<string>>();
        const over = new Set<string>();
        const versions = new Map<string, string>();
        await using records = new Informer(kube, OBJECT_SYNCS, { namespace: "default" });
        records.onChange((_old, record) => {
          const { name = "" } = record?.metadata ?? {};
          if (record === undefined || !name.startsWith(`${node}.`)) return;
          const uid = name.slice(node.length + 1);
          const version = record.status?.objectResourceVersion ?? "0";
          if (versionOf(version) < versionOf(versions.get(uid)))
            violations.push(`${uid}: the record went from ${versions.get(uid)} to ${version}`);
          if (version !== "0" && acknowledged.get(uid)?.has(version) !== true)
            violations.push(`${uid}: ${version} was never acknowledged`);
          versions.set(uid, version);
        });
        await records.synced;

        await using edge = await connect(identity);
        const answer = (message: Message) => {
          const { uid = "", resourceVersion = "" } = metadataOf(message);
          acknowledged.set(uid, (acknowledged.get(uid) ?? new Set()).add(resourceVersion));
          if (message.route.operation === "delete") over.add(uid);
          edge.say(acknowledge(message));
        };
        const pushes = () => edge.received.filter((message) => requiresAck(message));
        /** Of what has come so far, some; several times, in any order, the old ones too. */
        const answerSome = () => {
          for (const message of hostile.distort(pushes().filter(() => hostile.below(3) === 0))) answer(message);
          edge.say(acknowledge({ ...(pushes()[0] as Message), header: { msg_id: randomUUID(), timestamp: 1 } }));
        };

        const name = (at: number) => `${node}-o${at}`;
        const live = new Set<number>();
        const key = (at: number) => ({ namespace: "default", name: name(at) });
        for (let change = 0; change < CHANGES; change += 1) {
          const at = hostile.below(OBJECTS);
          if (!live.has(at)) {
            await kube.create(PODS, podOn(node, name(at)), signal);
            live.add(at);
          } else if (hostile.below(3) === 0) {
            await kube.delete(PODS, key(at), signal, { gracePeriodSeconds: 0 });
            live.delete(at);
          } else {
            const body = { metadata: { labels: { change: String(change) } } };
            await kube.patch(PODS, key(at), { type: "merge", body }, signal);
          }
          if (edge.received.length > 0) answerSome();
        }

        // From here on it is honest, and repeats itself no more: all must be in step in the end.
        let answered = 0;
        const inStep = async () => {
          const all = pushes();
          for (; answered < all.length; answered += 1) answer(all[answered] as Message);
          const pods = (await kube.list(PODS, { namespace: "default", fieldSelector: `spec.nodeName=${node}` }, signal))
            .items;
          const mine = records.list().filter(({ metadata }) => metadata?.name?.startsWith(`${node}.`) === true);
          return (
            pods.length === mine.length &&
            pods.every(({ metadata }) => versions.get(metadata?.uid ?? "") === metadata?.resourceVersion)
          );
        };
        while (!(await inStep()));

        const told = new Map<string, string>();
        const deleted = new Set<string>();
        for (const message of pushes()) {
          const { uid = "", resourceVersion = "" } = metadataOf(message);
          if (message.route.operation === "delete") deleted.add(uid);
          else if (deleted.has(uid)) violations.push(`${uid} was said after its deletion`);
          else if (versionOf(resourceVersion) < versionOf(told.get(uid)))
            violations.push(`${uid}: ${resourceVersion} was said after ${told.get(uid)}`);
          else told.set(uid, resourceVersion);
        }
        assert.ok(over.size > 0 && told.size > 3);
        assert.deepEqual(violations, []);
      },
    );

  /** One event that is counted again and again, and others that happen once. */
  function eventsOf(node: string): { first: Message; all: Message[]; counted: (count: number) => Message } {
    const event = (name: string, times: number): Event =>
      ({
        metadata: { namespace: "default", name: `${node}-${name}` },
        involvedObject: { kind: "Node", name: node, uid: node },
        source: { component: "kubelet", host: node },
        reason: "Test",
        message: name,
        type: "Normal",
        count: times,
      }) as Event;
    const counted = (times: number) => patchEvent(event("counted", times), JSON.stringify({ count: times }));
    const all = Array.from({ length: EVENT_COUNT }, (_, at) =>
      at % 2 === 0 ? createEvent(event(`once-${at}`, 1)) : counted(at + 1),
    );
    return { first: createEvent(event("counted", 1)), all, counted };
  }

  /** Watches what becomes of the node's events. */
  async function watchEvents(node: string) {
    const violations: string[] = [];
    const seen = new Set<string>();
    const informer = new Informer<Event>(shared.kube, EVENTS, { namespace: "default" });
    let [last, look] = [0, () => undefined as void];
    informer.onChange((old, event) => {
      const name = event?.metadata?.name ?? "";
      if (!name.startsWith(`${node}-`)) return;
      const times = event?.count ?? 0;
      if (name.endsWith("-counted")) {
        if (times <= last) violations.push(`the count went from ${last} to ${times}`);
        last = times;
      } else if (old !== undefined || seen.has(name)) violations.push(`${name} was applied twice`);
      seen.add(name);
      look();
    });
    await informer.synced;
    const until = (holds: () => boolean) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (holds()) resolve();
        };
        look();
      });
    return {
      violations,
      seen,
      untilCounted: (times: number) => until(() => last >= times),
      untilSeen: (size: number) => until(() => seen.size >= size),
      [Symbol.asyncDispose]: () => informer[Symbol.asyncDispose](),
    };
  }

  test("what a stock edge repeats and scrambles is done once, and counts never go back", { timeout }, async (t) => {
    const hostile = new Hostility(t);
    const identity = await newNode();
    const { first, all, counted } = eventsOf(identity.node);
    await using watched = await watchEvents(identity.node);
    await using edge = await StockEdge.connect(shared.cloud.ports.websocket, identity);
    for (const message of hostile.distort([first, ...all])) edge.send(message);
    edge.send(counted(EVENT_COUNT + 1)); // about the same thing, so it is done after all that was said before
    await watched.untilCounted(EVENT_COUNT + 1);
    await watched.untilSeen(EVENT_COUNT / 2 + 1);
    assert.deepEqual(watched.violations, []);
  });

  test(
    "what an edge of ours repeats and scrambles, though it has numbered it, is done once at most",
    { timeout },
    async (t) => {
      const hostile = new Hostility(t);
      const identity = await newNode();
      const stream = randomUUID();
      const { first, all, counted } = eventsOf(identity.node);
      await using watched = await watchEvents(identity.node);
      const numbered = [first, ...all].map((message, at) => ({ message, seq: at + 1 }));
      for (let sent = 0; sent <= numbered.length; sent += 20) {
        // Each link tells again what the one before may have told, and some of it before its turn.
        await using edge = await AgreedEdge.connect(shared.cloud.ports.websocket, identity, { stream, sent });
        const said = hostile.distort(numbered.slice(Math.max(0, sent - 20), sent + 20));
        for (const { message, seq } of said) edge.say(message, seq);
        await edge.untilApplied(Math.max(...said.map(({ seq }) => seq)));
      }
      await using edge = await AgreedEdge.connect(shared.cloud.ports.websocket, identity, {
        stream,
        sent: numbered.length,
      });
      assert.equal(edge.agreement.applied, numbered.length);
      for (const { message, seq } of hostile.distort(numbered)) edge.say(message, seq);
      edge.say(counted(EVENT_COUNT + 1), numbered.length + 1);
      await edge.untilApplied(numbered.length + 1);
      await watched.untilCounted(EVENT_COUNT + 1);
      assert.deepEqual(watched.violations, []);
    },
  );
});
