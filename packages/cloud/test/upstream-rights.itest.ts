import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  CERTIFICATE_SIGNING_REQUESTS,
  CONFIG_MAPS,
  type Event,
  EVENTS,
  LEASES,
  type Node,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type Pod,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
  VOLUME_ATTACHMENTS,
} from "@kedge/kube";
import { newMessage } from "@kedge/protocol";
import { type Logger, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { derToPem } from "../src/cloudhub/pki/pem.ts";
import { UPSTREAM_HANDLERS } from "../src/edgecontroller/upstream.ts";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, signingRequest, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const [NODE, OTHER] = ["edge-1", "edge-2"];
const inDefault = (name: string) => ({ namespace: "default", name });

const event = (name: string, changes: object = {}): Event =>
  ({
    metadata: inDefault(name),
    involvedObject: { kind: "Pod", namespace: "default", name: "theirs" },
    source: { component: "kubelet", host: NODE },
    reason: "Forged",
    count: 9,
    ...changes,
  }) as Event;
const pemOf = (commonName: string) =>
  Buffer.from(
    derToPem("CERTIFICATE", signingRequest(commonName).der).replaceAll("CERTIFICATE", "CERTIFICATE REQUEST"),
  ).toString("base64");
const csr = (name: string, commonName: string) => ({
  metadata: { name },
  spec: {
    request: pemOf(commonName),
    signerName: "kubernetes.io/kubelet-serving",
    usages: ["digital signature", "server auth"],
  },
});

/** For each row of the table, what a node asks that is not its own to ask. */
const FOREIGN: Readonly<Record<string, (theirs: Pod) => { resource: string; content: unknown }[]>> = {
  "insert node": () => [
    { resource: `null/node/${OTHER}`, content: { metadata: { name: OTHER } } },
    { resource: `null/node/${NODE}`, content: { metadata: { name: OTHER } } },
    {
      resource: `null/node/${NODE}`,
      content: { metadata: { name: NODE, labels: { "node-role.kubernetes.io/control-plane": "" } } },
    },
  ],
  "update node": () => [
    { resource: `null/node/${OTHER}`, content: { metadata: { labels: { a: "b" } } } },
    {
      resource: `null/node/${NODE}`,
      content: { metadata: { labels: { "node-restriction.kubernetes.io/secret": "1" } } },
    },
  ],
  "query node": () => [{ resource: `null/node/${OTHER}`, content: null }],
  "patch nodepatch": () => [
    { resource: `null/nodepatch/${OTHER}`, content: '{"status":{"phase":"Terminated"}}' },
    { resource: `null/nodepatch/${NODE}`, content: '{"metadata":{"labels":{"node-role.kubernetes.io/master":""}}}' },
  ],
  "insert nodestatus": () => [{ resource: `default/nodestatus/${OTHER}`, content: { metadata: { name: OTHER } } }],
  "update nodestatus": () => [{ resource: `default/nodestatus/${OTHER}`, content: { Status: {} } }],
  "insert pod": () => [{ resource: "default/pod/new", content: podOn(NODE, "new") }],
  "delete pod": () => [{ resource: "default/pod/theirs", content: {} }],
  "patch podpatch": () => [{ resource: "default/podpatch/theirs", content: '{"status":{"phase":"Failed"}}' }],
  "update podstatus": ({ metadata }) => [
    {
      resource: "default/podstatus/theirs",
      content: { UID: metadata?.uid, Name: "theirs", Status: { phase: "Failed" } },
    },
  ],
  "query configmap": () => [{ resource: "default/configmap/foreign", content: null }],
  "query secret": () => [{ resource: "default/secret/foreign", content: null }],
  "query persistentvolume": () => [{ resource: "null/persistentvolume/foreign", content: null }],
  "query persistentvolumeclaim": () => [{ resource: "default/persistentvolumeclaim/foreign", content: null }],
  "query volumeattachment": () => [{ resource: "default/volumeattachment/foreign", content: null }],
  "query csidriver": () => [],
  "query runtimeclass": () => [],
  "update claimsize": () => [{ resource: "default/claimsize/foreign", content: { uid: "u", storage: "1Ti" } }],
  "insert csinode": () => [{ resource: `null/csinode/${OTHER}`, content: { spec: { drivers: [] } } }],
  "update csinode": () => [{ resource: `null/csinode/${OTHER}`, content: { spec: { drivers: [] } } }],
  "query serviceaccounttoken": ({ metadata }) => [
    { resource: "default/serviceaccounttoken/default", content: { spec: { audiences: ["a"] } } },
    {
      resource: "default/serviceaccounttoken/default",
      content: { spec: { boundObjectRef: { kind: "Pod", name: "theirs", uid: metadata?.uid } } },
    },
  ],
  "insert lease": () => [
    { resource: `kube-node-lease/lease/${OTHER}`, content: { metadata: { name: OTHER } } },
    { resource: `default/lease/${NODE}`, content: { metadata: { name: NODE } } },
  ],
  "update lease": () => [{ resource: `kube-node-lease/lease/${OTHER}`, content: { metadata: { name: OTHER } } }],
  "query lease": () => [{ resource: `kube-node-lease/lease/${OTHER}`, content: null }],
  "insert event": () => [
    { resource: "default/event/of-their-pod", content: event("of-their-pod") },
    { resource: "default/event/of-them", content: event("of-them", { involvedObject: { kind: "Node", name: OTHER } }) },
    {
      resource: "default/event/of-anything",
      content: event("of-anything", { involvedObject: { kind: "Secret", name: "x" } }),
    },
    { resource: "default/event/by-them", content: event("by-them", { source: { host: OTHER } }) },
  ],
  "update event": () => [
    {
      resource: "default/event/theirs",
      content: event("theirs", { involvedObject: { kind: "Node", name: NODE } }),
    },
  ],
  "patch event": () => [
    {
      resource: "default/event/theirs",
      content: {
        event: event("theirs", { involvedObject: { kind: "Node", name: NODE } }),
        patchData: '{"count":9,"source":{"host":"edge-1"}}',
      },
    },
  ],
  "insert certificatesigningrequest": () => [
    { resource: "default/certificatesigningrequest/new", content: csr("new", `system:node:${OTHER}`) },
    { resource: "default/certificatesigningrequest/new", content: csr("new", "kubernetes-admin") },
  ],
  "query certificatesigningrequest": () => [{ resource: "default/certificatesigningrequest/foreign", content: null }],
};

suite("what a node may not do, on a real Kubernetes API", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
  let kubernetes: TestKubernetes;
  let fixture: CloudFixture;
  let edge: StockEdge;
  let theirs: Pod;
  const refused: { resource: string | undefined; code: unknown }[] = [];
  let heard: () => void = () => undefined;
  const logger: Logger = Object.assign(Object.create(silentLogger) as Logger, {
    warn: (facts: { route?: { resource?: string }; error?: { code?: unknown } }, text: string) => {
      if (text !== "refused") return;
      refused.push({ resource: facts.route?.resource, code: facts.error?.code });
      heard();
    },
    child: () => logger,
  });

  before(async () => {
    kubernetes = await startKubernetes();
    fixture = await startCloud(kubernetes, {}, logger);
    const { kube, signal, cloud } = fixture;
    for (const name of [NODE, OTHER])
      await kube.create<Node>(NODES, { metadata: { name, labels: { "node-role.kubernetes.io/edge": "" } } }, signal);
    await kube.create(CONFIG_MAPS, { metadata: inDefault("foreign") }, signal);
    await kube.create(SECRETS, { metadata: inDefault("foreign") }, signal);
    await kube.create(SERVICE_ACCOUNTS, { metadata: inDefault("app") }, signal);
    const accessModes = ["ReadWriteOnce"];
    const storage = { storage: "1Gi" };
    const volume = { accessModes, capacity: storage, hostPath: { path: "/x" } };
    await kube.create(PERSISTENT_VOLUMES, { metadata: { name: "foreign" }, spec: volume } as never, signal);
    const claim = { accessModes, resources: { requests: storage } };
    await kube.create(PERSISTENT_VOLUME_CLAIMS, { metadata: inDefault("foreign"), spec: claim } as never, signal);
    const attachment = { attacher: "a", nodeName: OTHER, source: { persistentVolumeName: "foreign" } };
    await kube.create(VOLUME_ATTACHMENTS, { metadata: { name: "foreign" }, spec: attachment } as never, signal);
    await kube.create(CERTIFICATE_SIGNING_REQUESTS, csr("foreign", `system:node:${OTHER}`) as never, signal);
    await kube.create(LEASES, { metadata: { namespace: "kube-node-lease", name: OTHER } } as never, signal);
    await kube.create(EVENTS, event("theirs", { source: { host: OTHER }, count: 1 }), signal);
    theirs = await kube.create(PODS, podOn(OTHER, "theirs"), signal);
    edge = await StockEdge.connect(cloud.ports.websocket, await join(cloud.ports.https, await fixture.token(), NODE));
  });
  after(async () => {
    await edge[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await kubernetes[Symbol.asyncDispose]();
  });

  test("each row of the table says what a node may do, and is tried here", () => {
    assert.deepEqual([...UPSTREAM_HANDLERS.keys()].toSorted(), Object.keys(FOREIGN).toSorted());
    for (const { may } of UPSTREAM_HANDLERS.values()) assert.match(may, /^[a-z]/);
  });

  for (const [row, forge] of Object.entries(FOREIGN))
    test(`${row}: what is another's is refused aloud`, { timeout }, async () => {
      const [operation = ""] = row.split(" ");
      for (const { resource, content } of forge(theirs)) {
        refused.length = 0;
        const told = new Promise<void>((resolve) => (heard = resolve));
        edge.send(newMessage({ source: "edged", group: "meta", operation, resource, content }));
        await told;
        assert.deepEqual(refused, [{ resource, code: "Forbidden" }]);
      }
    });

  test("nothing came of it", { timeout }, async () => {
    const { kube, signal } = fixture;
    const pod = await kube.get(PODS, inDefault("theirs"), signal);
    assert.equal(pod.status?.phase, "Pending");
    const { items } = await kube.list(EVENTS, { namespace: "default" }, signal);
    assert.deepEqual(
      items.map(({ metadata, count, source }) => [metadata.name, count, source?.host]),
      [["theirs", 1, OTHER]],
    );
    const node = await kube.get(NODES, { name: NODE }, signal);
    assert.deepEqual(
      Object.keys(node.metadata?.labels ?? {}).filter((label) => /control-plane|master|restriction/.test(label)),
      [],
    );
  });

  test("W49: a node's own events are taken, though every message is checked", { timeout }, async () => {
    const { kube, signal } = fixture;
    const own = event("own", { involvedObject: { kind: "Node", name: NODE }, count: 1 });
    const say = (operation: string, content: unknown) =>
      edge.send(newMessage({ source: "edged", group: "meta", operation, resource: "default/event/own", content }));
    say("insert", own);
    say("patch", { event: { ...own, count: 2 }, patchData: '{"count":2,"involvedObject":{"name":"x"}}' });
    let stored: Event | undefined;
    while (stored?.count !== 2)
      stored = (await kube.list(EVENTS, { namespace: "default" }, signal)).items.find(
        ({ metadata }) => metadata.name === "own",
      );
    assert.equal(stored.involvedObject.name, NODE, "a patch changes how often, not what");
  });

  test("a node cannot write where it is connected", { timeout }, async () => {
    const { kube, signal } = fixture;
    const before = (await kube.get(NODES, { name: NODE }, signal)).metadata?.annotations;
    const annotations = { cloudcore: "192.0.2.1", "kedge.io/session": "99999999 00000000", mine: "1" };
    const content = JSON.stringify({ metadata: { annotations } });
    const resource = `null/nodepatch/${NODE}`;
    await edge.ask(newMessage({ source: "edged", group: "meta", operation: "patch", resource, content }));
    const { metadata } = await kube.get(NODES, { name: NODE }, signal);
    assert.deepEqual(metadata?.annotations, { ...before, mine: "1" });
  });
});
