import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { CONFIG_MAPS, type Node, NODES } from "@kedge/kube";
import { type ControlFrame, patchNodeStatus, registerNode } from "@kedge/protocol";
import { hasCode, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { LOCKED_OUT_NODES } from "../src/cloudhub/locked-out-nodes.ts";
import { SESSION_ANNOTATION } from "../src/cloudhub/session-mark.ts";
import { AgreedEdge } from "./agreed-edge.ts";
import { type CloudFixture, failingKube, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join, StockEdge } from "./stock-edge.ts";

const timeout = 120_000;
const labels = { "node-role.kubernetes.io/edge": "" };
const MOVES = 50;

suite(
  "sessions of a node at two CloudCores on one API server",
  {
    skip: TestKubernetes.missing(),
    timeout: 300_000,
  },
  () => {
    let kubernetes: TestKubernetes;
    let clouds: [CloudFixture, CloudFixture];
    let count = 0;
    let fails: (method: string, resource: string) => boolean = () => false;

    before(async () => {
      kubernetes = await startKubernetes();
      const first = await startCloud(kubernetes);
      const failing = (method: string, resource: string) => fails(method, resource);
      clouds = [first, await startCloud(kubernetes, {}, silentLogger, (kube) => failingKube(kube, failing))];
    });
    after(async () => {
      for (const cloud of clouds ?? []) await cloud[Symbol.asyncDispose]();
      await kubernetes[Symbol.asyncDispose]();
    });

    const identityOf = async (node: string) => join(clouds[0].cloud.ports.https, await clouds[0].token(), node);
    async function newNode(): Promise<EdgeIdentity> {
      count += 1;
      const node = `moving-${count}`;
      await clouds[0].kube.create<Node>(NODES, { metadata: { name: node, labels } }, clouds[0].signal);
      return identityOf(node);
    }
    const stream = randomUUID();
    const connect = (at: 0 | 1, identity: EdgeIdentity) =>
      AgreedEdge.connect(clouds[at].cloud.ports.websocket, identity, { stream });
    /** Writes as fast as it is answered, a few at once, until the link ends. */
    async function keepAnnotating(edge: AgreedEdge, node: string, value: number): Promise<void> {
      const patch = JSON.stringify({ metadata: { annotations: { session: String(value) } } });
      while (edge.link.open) {
        const heard = edge.received.length;
        for (let each = 0; each < 4; each += 1)
          void edge.link.send(patchNodeStatus(node, patch)).catch(() => undefined);
        await edge.until(() => edge.received.length > heard).catch(() => undefined);
      }
    }
    /** Watches the node until it is as wished. @returns all that was seen on the way. */
    async function watchNode(name: string, wished: (node: Node) => boolean, signal: AbortSignal): Promise<Node[]> {
      const seen: Node[] = [];
      const options = { fieldSelector: `metadata.name=${name}` };
      for await (const { type, object } of clouds[0].kube.watch(NODES, options, signal)) {
        if (type === "BOOKMARK") continue;
        seen.push(object as Node);
        if (wished(object as Node)) return seen;
      }
      throw new Error("the watch ended before");
    }

    test(
      "the older session ends at once, with what it still had to do, however often the node moves",
      {
        timeout,
      },
      async () => {
        const identity = await newNode();
        const { node } = identity;
        const life = new AbortController();
        const last = (object: Node) => object.metadata?.annotations?.["session"] === String(MOVES);
        const watched = watchNode(node, last, life.signal);
        const sessions: { edge: AgreedEdge; closed: Promise<unknown> }[] = [];
        try {
          let epoch = 0;
          for (let move = 1; move <= MOVES; move += 1) {
            // Its links are never closed by the node itself: as if nobody had told the older cloud.
            const edge = await connect(move % 2 === 0 ? 0 : 1, identity);
            assert.ok(edge.agreement.epoch > epoch, `${edge.agreement.epoch} after ${epoch}`);
            epoch = edge.agreement.epoch;
            sessions.push({ edge, closed: edge.closed });
            void keepAnnotating(edge, node, move);
            await edge.until(() => edge.received.some(({ header }) => header.parent_msg_id !== undefined));
          }
          const seen = (await watched).map(({ metadata }) => Number(metadata?.annotations?.["session"] ?? 0));
          assert.deepEqual(
            seen,
            seen.toSorted((a, b) => a - b),
            "an older session wrote after a newer one",
          );
          for (const { closed } of sessions.slice(0, -1)) assert.match(JSON.stringify(await closed), /4001/);
          assert.ok(sessions.at(-1)?.edge.link.open);
          const live = clouds.flatMap(({ cloud }) => cloud.connectedNodes()).filter((name) => name === node);
          assert.equal(live.length, 1);
        } finally {
          life.abort();
          watched.catch(() => undefined);
          for (const { edge } of sessions) await edge[Symbol.asyncDispose]();
        }
      },
    );

    test("of two sessions that are let in out of order the one that came later is the newer", { timeout }, async () => {
      const identity = await newNode();
      await using first = await connect(0, identity);
      const holder = (object: Node | undefined) => object?.metadata?.annotations?.[SESSION_ANNOTATION];
      const before = holder(await clouds[0].kube.get(NODES, { name: identity.node }, clouds[0].signal));
      const taken = watchNode(identity.node, (object) => holder(object) !== before, clouds[0].signal);
      const early = connect(1, identity); // has to wait until the other cloudcore has heard
      await taken;
      await using later = await connect(1, identity); // need not
      await using late = await early;
      assert.match(JSON.stringify(await late.closed), /4001/);
      assert.match(JSON.stringify(await first.closed), /4001/);
      assert.ok(later.link.open);
      assert.ok(clouds[1].cloud.connectedNodes().includes(identity.node));
    });

    test("a node that is locked out while it waits to be let in gets no session", { timeout }, async () => {
      const identity = await newNode();
      const { kube, signal } = clouds[0];
      await using first = await connect(0, identity);
      const mark = (object: Node) => object.metadata?.annotations?.[SESSION_ANNOTATION];
      const before = mark(await kube.get(NODES, { name: identity.node }, signal));
      const taken = watchNode(identity.node, (object) => mark(object) !== before, signal);
      const waiting = connect(1, identity);
      await taken;
      const metadata = { namespace: "kubeedge", name: LOCKED_OUT_NODES };
      await kube.create(CONFIG_MAPS, { metadata, data: { [identity.node]: "stolen" } }, signal);
      try {
        await using late = await waiting;
        assert.match(JSON.stringify(await late.closed), /4004/);
        await first.closed;
        assert.ok(!clouds[1].cloud.connectedNodes().includes(identity.node));
      } finally {
        await kube.delete(CONFIG_MAPS, metadata, signal);
      }
    });

    test("a node that begins sessions again and again has to wait; others need not", { timeout }, async () => {
      const [identity, other] = [await newNode(), await newNode()];
      const edges: AgreedEdge[] = [];
      try {
        await assert.rejects(
          async () => {
            while (edges.length < 200) edges.push(await connect(0, identity));
          },
          (error) => hasCode(error, "Refused") && /again and again/.test(error.message),
        );
        assert.ok(edges.length >= 60, `${edges.length} sessions`);
        await using fine = await connect(0, other);
        assert.ok(fine.link.open);
      } finally {
        for (const edge of edges) await edge[Symbol.asyncDispose]();
      }
    });

    test("a node that returns to the same cloudcore costs no write", { timeout }, async () => {
      const identity = await newNode();
      const epochs: number[] = [];
      const versions = new Set<string | undefined>();
      for (let times = 0; times < 3; times += 1) {
        await using edge = await connect(0, identity);
        epochs.push(edge.agreement.epoch);
        await edge.until(() => edge.received.some(({ content }) => markOf(content) !== undefined) || times > 0);
        const { metadata } = await clouds[0].kube.get(NODES, { name: identity.node }, clouds[0].signal);
        versions.add(metadata?.resourceVersion);
      }
      assert.equal(versions.size, 1);
      assert.deepEqual(
        epochs,
        epochs.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(epochs).size, 3);
    });

    test("a node that is not registered yet is claimed once it is", { timeout }, async () => {
      const identity = await identityOf("unregistered");
      await using edge = await connect(0, identity);
      void edge.link.send(registerNode({ metadata: { name: "unregistered", labels } } as Node));
      await edge.until(() => edge.received.some(({ content }) => markOf(content) !== undefined));
      await using newer = await connect(1, identity);
      assert.match((await edge.closed).detail, /4001/);
      assert.ok(newer.agreement.epoch > edge.agreement.epoch);
    });

    test("a stock cloudcore that writes late that it was there does not confuse us", { timeout }, async () => {
      const identity = await newNode();
      const { node } = identity;
      await using edge = await connect(0, identity);
      const healed = new AbortController();
      const seen = watchNode(
        node,
        ({ metadata }) => metadata?.annotations?.["cloudcore"] === "127.0.0.1" && metadata.annotations["late"] === "1",
        healed.signal,
      );
      const body = { metadata: { annotations: { cloudcore: "192.0.2.1", late: "1" } } };
      await clouds[0].kube.patch(NODES, { name: node }, { type: "merge", body }, clouds[0].signal);
      await seen;
      assert.ok(edge.link.open);
      // Nor one that replaces all annotations.
      const again = watchNode(node, (object) => markOf(object) !== undefined, healed.signal);
      const without = { metadata: { annotations: { [SESSION_ANNOTATION]: null } } };
      await clouds[0].kube.patch(NODES, { name: node }, { type: "merge", body: without }, clouds[0].signal);
      await again;
      assert.ok(edge.link.open);
    });

    test("while the API server is away a node is let in, and claimed afterwards", { timeout }, async () => {
      const identity = await newNode();
      fails = (method, resource) => resource === "nodes" && (method === "get" || method === "patch");
      const claimed = new AbortController();
      try {
        await using edge = await connect(1, identity);
        const seen = watchNode(identity.node, (object) => markOf(object) !== undefined, claimed.signal);
        fails = () => false;
        await seen;
        assert.ok(edge.link.open);
      } finally {
        fails = () => false;
      }
    });

    test("a stock edge is claimed, too", { timeout }, async () => {
      const identity = await newNode();
      await using older = await StockEdge.connect(clouds[0].cloud.ports.websocket, identity);
      await using newer = await StockEdge.connect(clouds[1].cloud.ports.websocket, identity);
      assert.equal((await older.closed).code, 4001);
      assert.equal(newer.socket.readyState, newer.socket.OPEN);
    });

    test("a lease is renewed by a few bytes, by the cloud's clock, once it is there", { timeout }, async () => {
      const identity = await newNode();
      const { node } = identity;
      await using edge = await connect(0, identity);
      const answerTo = async (request: number): Promise<ControlFrame | undefined> => {
        const answer = () => edge.frames.find((frame) => "request" in frame && frame.request === request);
        edge.control({ kind: "renewLease", request });
        await edge.until(() => answer() !== undefined);
        return answer();
      };
      const refused = await answerTo(1);
      assert.equal(refused?.kind, "leaseRefused");
      assert.match(refused?.kind === "leaseRefused" ? refused.reason : "", /not found/);
      const lease = `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"${node}","namespace":"kube-node-lease"},"spec":{"holderIdentity":"${node}","leaseDurationSeconds":40,"renewTime":"2020-01-01T00:00:00.000000Z"}}`;
      const path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
      await clouds[0].kube.raw("POST", path, clouds[0].signal, JSON.parse(lease));
      assert.deepEqual(await answerTo(2), { kind: "leaseRenewed", request: 2 });
      const renewed = await clouds[0].kube.raw("GET", `${path}/${node}`, clouds[0].signal);
      const { spec } = JSON.parse(renewed.body) as { spec: { renewTime: string; holderIdentity: string } };
      assert.ok(Math.abs(Date.parse(spec.renewTime) - Date.now()) < 60_000, spec.renewTime);
      assert.equal(spec.holderIdentity, node);
      assert.deepEqual(await answerTo(3), { kind: "leaseRenewed", request: 3 });
    });
  },
);

function markOf(content: unknown): string | undefined {
  return (content as Node | null)?.metadata?.annotations?.[SESSION_ANNOTATION];
}
