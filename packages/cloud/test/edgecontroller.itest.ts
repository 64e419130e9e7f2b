import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  CONFIG_MAPS,
  CSI_DRIVERS,
  CSI_NODES,
  type CSINode,
  type Event,
  EVENTS,
  type KubeStatus,
  type Lease,
  LEASES,
  type Node,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type Pod,
  PODS,
  RUNTIME_CLASSES,
  SECRETS,
  SERVICE_ACCOUNTS,
  type TokenRequest,
  VOLUME_ATTACHMENTS,
} from "@kedge/kube";
import * as protocol from "@kedge/protocol";
import { TestKubernetes } from "@kedge/testing";
import { derToPem } from "../src/cloudhub/pki/pem.ts";
import { UPSTREAM_HANDLERS } from "../src/edgecontroller/upstream.ts";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, of, signingRequest, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const NODE = "edge-1";
const OTHER = "edge-2";
const inDefault = (name: string) => ({ namespace: "default", name });

/** Asked for in these tests; a row without a test fails the last one. */
const asked = new Set<string>();

suite(
  "what edges ask of EdgeController, on a real Kubernetes API",
  { skip: TestKubernetes.missing(), timeout: 300_000 },
  () => {
    let kubernetes: TestKubernetes;
    let fixture: CloudFixture;
    let edge: StockEdge;
    let mine: Pod;
    let theirs: Pod;

    before(async () => {
      kubernetes = await startKubernetes();
      fixture = await startCloud(kubernetes);
      const { kube, signal, cloud } = fixture;
      for (const name of [NODE, OTHER])
        await kube.create<Node>(NODES, { metadata: { name, labels: { "node-role.kubernetes.io/edge": "" } } }, signal);
      edge = await StockEdge.connect(cloud.ports.websocket, await join(cloud.ports.https, await fixture.token(), NODE));
      for (const name of ["cfg", "foreign"])
        await kube.create(CONFIG_MAPS, { metadata: inDefault(name), data: { k: "v" } }, signal);
      for (const name of ["sec", "foreign"])
        await kube.create(SECRETS, { metadata: inDefault(name), data: { k: "dg==" } }, signal);
      await kube.create(SERVICE_ACCOUNTS, { metadata: inDefault("app") }, signal);
      const volumes = [
        { name: "c", configMap: { name: "cfg", optional: true } },
        { name: "absent", configMap: { name: "absent" } },
        { name: "s", secret: { secretName: "sec" } },
        { name: "p", persistentVolumeClaim: { claimName: "claim" } },
      ];
      mine = await kube.create(PODS, podOn(NODE, "mine", { serviceAccountName: "app", volumes }), signal);
      theirs = await kube.create(
        PODS,
        podOn(OTHER, "theirs", { volumes: [{ name: "c", configMap: { name: "foreign" } }] }),
        signal,
      );
      await edge.wait(of("default/pod/mine"));
    });
    after(async () => {
      await edge[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
      await kubernetes[Symbol.asyncDispose]();
    });

    const ask = (message: protocol.Message) => {
      const { operation, resource } = message.route;
      asked.add(`${operation} ${protocol.parseResource(resource)?.type}`);
      return edge.ask(message);
    };
    /** As an edge with forged tools would write it. */
    const forge = (operation: string, resource: string, content: unknown) =>
      protocol.newMessage({ source: "edged", group: "meta", operation, resource, content });
    const reasonOf = (answer: protocol.Message): string | undefined => {
      const content = answer.content as { ErrStatus?: KubeStatus; Err?: { ErrStatus: KubeStatus } | null };
      const status = content.ErrStatus ?? content.Err?.ErrStatus;
      if (status !== undefined)
        assert.ok(status.status === "Failure" && (status.code ?? 0) >= 400 && status.message !== "");
      return status?.reason;
    };
    const refused = async (operation: string, resource: string, content: unknown) =>
      assert.equal(reasonOf(await ask(forge(operation, resource, content))), "Forbidden", `${operation} ${resource}`);

    test("register: answered with the node, or AlreadyExists; labels, annotation and all", { timeout }, async () => {
      const { kube, signal, cloud } = fixture;
      const labels = { "kubernetes.io/os": "linux", "node-role.kubernetes.io/edge": "", "site.example/a": "b" };
      const node = {
        metadata: { name: "edge-3", labels, creationTimestamp: null },
        spec: {},
        status: { capacity: { cpu: "2" } },
      } as unknown as Node;
      await using third = await StockEdge.connect(
        cloud.ports.websocket,
        await join(cloud.ports.https, await fixture.token(), "edge-3"),
      );
      const registered = await third.ask(protocol.registerNode(node));
      assert.equal(registered.header.resourceversion, undefined);
      assert.deepEqual(protocol.readObjectResp<Node>(registered.content).metadata?.labels, labels);
      const stored = await kube.get(NODES, { name: "edge-3" }, signal);
      assert.deepEqual(stored.metadata?.labels, labels);
      assert.equal(stored.metadata?.annotations?.["cloudcore"], "127.0.0.1");
      assert.equal(stored.status?.capacity?.["cpu"], "2");
      const again = await third.ask(protocol.registerNode(node));
      assert.equal(reasonOf(again), "AlreadyExists");
      assert.deepEqual(again.route, {
        source: "edgecontroller",
        group: "resource",
        operation: "response",
        resource: "null/node/edge-3",
      });
      asked.add("insert node");
      await refused("insert", `null/node/${OTHER}`, { metadata: { name: OTHER } });
      await refused("insert", `null/node/${NODE}`, { metadata: { name: OTHER } });
      await refused("insert", `null/node/${NODE}`, {
        metadata: { name: NODE, labels: { "node-restriction.kubernetes.io/x": "" } },
      });
    });

    test("update node: labels and annotations are merged, nothing else", { timeout }, async () => {
      const answer = await ask(
        forge("update", `null/node/${NODE}`, {
          metadata: { name: NODE, labels: { a: "b" } },
          spec: { unschedulable: true },
        }),
      );
      assert.equal(answer.content, "OK");
      assert.ok(answer.header.resourceversion);
      const { metadata, spec } = await fixture.kube.get(NODES, { name: NODE }, fixture.signal);
      assert.equal(metadata?.labels?.["a"], "b");
      assert.equal(spec?.unschedulable, undefined);
    });

    test("patch node status", { timeout }, async () => {
      const status = { conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2025-01-02T03:04:05Z" }] };
      const answer = await ask(protocol.patchNodeStatus(NODE, JSON.stringify({ status })));
      const node = protocol.readObjectResp<Node>(answer.content);
      assert.equal(answer.header.resourceversion, node.metadata?.resourceVersion);
      assert.equal(node.status?.conditions?.[0]?.type, "Ready");
      assert.equal(node.metadata?.managedFields, undefined);
      protocol.readObjectResp((await ask(protocol.patchNodeStatus(NODE, "{}"))).content);
      await refused("patch", `null/nodepatch/${OTHER}`, JSON.stringify({ status }));
      for (const labels of [{ "node-restriction.kubernetes.io/x": "" }, { $patch: "replace" }, null])
        await refused("patch", `null/nodepatch/${NODE}`, JSON.stringify({ metadata: { labels } }));
      for (const content of ["{", "[]", "7", { status }, null])
        assert.equal(reasonOf(await ask(forge("patch", `null/nodepatch/${NODE}`, content))), "BadRequest");
    });

    test("node status of older edges", { timeout }, async () => {
      const Status = { phase: "Running", capacity: { cpu: "3" } };
      const answer = await ask(
        forge("update", `default/nodestatus/${NODE}`, { UID: "x", Status, ExtendResources: {} }),
      );
      assert.equal(answer.content, "OK");
      assert.equal(answer.route.resource, `default/node/${NODE}`);
      assert.equal((await fixture.kube.get(NODES, { name: NODE }, fixture.signal)).status?.capacity?.["cpu"], "3");
      const exists = await ask(forge("insert", `default/nodestatus/${NODE}`, { metadata: { name: NODE } }));
      assert.equal(reasonOf(exists), "AlreadyExists");
      await refused("update", `default/nodestatus/${OTHER}`, { Status });
    });

    test("query node", { timeout }, async () => {
      const answer = await ask(forge("query", `default/node/${NODE}`, null));
      assert.equal(protocol.readQueriedObject(answer.content).metadata?.name, NODE);
      await refused("query", `default/node/${OTHER}`, null);
    });

    test("patch pod status: only of pods on the node, and only status", { timeout }, async () => {
      const uid = mine.metadata?.uid;
      const answer = await ask(
        protocol.patchPodStatus(
          inDefault("mine"),
          JSON.stringify({ metadata: { uid, labels: { evil: "x" } }, status: { phase: "Running" } }),
        ),
      );
      const pod = protocol.readObjectResp<Pod>(answer.content);
      assert.equal(pod.status?.phase, "Running");
      assert.equal(pod.metadata?.labels, undefined);
      assert.equal(answer.header.resourceversion, pod.metadata?.resourceVersion);
      const wrongUid = await ask(
        protocol.patchPodStatus(inDefault("mine"), JSON.stringify({ metadata: { uid: "x" }, status: {} })),
      );
      assert.equal(reasonOf(wrongUid), "Invalid");
      const absent = await ask(protocol.patchPodStatus(inDefault("ghost"), JSON.stringify({ status: {} })));
      assert.equal(reasonOf(absent), "NotFound");
      await refused("patch", "default/podpatch/theirs", JSON.stringify({ status: { phase: "Failed" } }));
    });

    test("create pod: only mirrors, only here, only by themselves", { timeout }, async () => {
      const pod = (name: string, changes: object = {}, spec: object = {}) => ({
        metadata: {
          name,
          namespace: "default",
          creationTimestamp: null,
          annotations: { "kubernetes.io/config.mirror": "x" },
          ...changes,
        },
        spec: {
          nodeName: NODE,
          containers: [{ name: "c", image: "i" }],
          tolerations: [{ operator: "Exists", effect: "NoExecute" }],
          ...spec,
        },
        status: {},
      });
      const owner = (kind: string, name: string) => ({ apiVersion: "v1", kind, name, uid: "u" });
      const ownerReferences = [owner("Node", NODE), owner("Node", OTHER), owner("ConfigMap", "held")];
      const mirror = pod("static-edge-1", { ownerReferences, finalizers: ["example.com/never"] });
      const created = protocol.readObjectResp<Pod>((await ask(protocol.createPod(mirror as unknown as Pod))).content);
      assert.equal(created.spec?.nodeName, NODE);
      assert.deepEqual(created.metadata?.ownerReferences, [owner("Node", NODE)]);
      assert.equal(created.metadata?.finalizers, undefined);
      await refused("insert", "default/pod/a", pod("a", { annotations: {} }));
      await refused("insert", "default/pod/b", pod("b", {}, { nodeName: OTHER }));
      await refused(
        "insert",
        "default/pod/c",
        pod("c", {}, { volumes: [{ name: "s", secret: { secretName: "foreign" } }] }),
      );
      await refused("insert", "default/pod/d", pod("d", {}, { serviceAccountName: "app" }));
      await refused("insert", "default/pod/d", pod("d", {}, { serviceAccount: "app" }));
      await refused(
        "insert",
        "default/pod/e",
        pod("e", {}, { containers: [{ name: "c", image: "i", envFrom: [{ secretRef: { name: "foreign" } }] }] }),
      );
    });

    test("delete pod: gone, or another one by now, counts as done", { timeout }, async () => {
      const { kube, signal } = fixture;
      const pod = await kube.create(PODS, podOn(NODE, "short"), signal);
      const options = (uid: string | undefined) => ({ gracePeriodSeconds: 0, preconditions: { uid } });
      const done = async (content: unknown) =>
        assert.equal((await ask(forge("delete", "default/pod/short", content))).content, "OK");
      await done(options("another"));
      await kube.get(PODS, inDefault("short"), signal);
      await done(options(pod.metadata?.uid));
      await assert.rejects(kube.get(PODS, inDefault("short"), signal), { code: "NotFound" });
      await done(options(pod.metadata?.uid));
      const anew = await kube.create(PODS, podOn(NODE, "short"), signal);
      await done(anew.metadata?.uid); // as older edges write it
      await assert.rejects(kube.get(PODS, inDefault("short"), signal), { code: "NotFound" });
      await refused("delete", "default/pod/theirs", options(theirs.metadata?.uid));
      await kube.get(PODS, inDefault("theirs"), signal);
    });

    test(
      "W18: pod status of older edges: one by one, each answered; unknown pods are to be forgotten",
      { timeout },
      async () => {
        const entry = (Name: string, UID: string | undefined, phase: string) => ({ Name, UID, Status: { phase } });
        const one = await ask(forge("update", "default/podstatus/mine", entry("mine", mine.metadata?.uid, "Pending")));
        assert.equal(one.content, "OK");
        assert.equal((await fixture.kube.get(PODS, inDefault("mine"), fixture.signal)).status?.phase, "Pending");
        const list = forge("update", "default/podstatus", [
          entry("ghost-a", "u1", "Running"),
          entry("ghost-b", "u2", "Running"),
          entry("theirs", theirs.metadata?.uid, "Failed"),
        ]);
        asked.add("update podstatus");
        edge.send(list);
        const answers = () => edge.received.filter(({ header }) => header.parent_msg_id === list.header.msg_id);
        await edge.wait(of("default/pod/ghost-a", "delete"));
        await edge.wait(of("default/pod/ghost-b", "delete"));
        await edge.wait((message) => answers().length === 3 && answers().includes(message));
        assert.deepEqual(
          answers().map((answer) => reasonOf(answer) ?? answer.content),
          ["OK", "OK", "Forbidden"],
        );
      },
    );

    test(
      "query ConfigMap and Secret: what a pod of the node needs, to be acknowledged; nothing else",
      { timeout },
      async () => {
        for (const [type, name] of [
          ["configmap", "cfg"],
          ["secret", "sec"],
        ] as const) {
          const answer = await ask(protocol.queryObject(type, inDefault(name)));
          const object = protocol.readQueriedObject(answer.content);
          assert.equal(object.kind?.toLowerCase(), type);
          assert.equal(answer.header.resourceversion, object.metadata?.resourceVersion);
          assert.equal(protocol.requiresAck(answer), true);
          await refused("query", `default/${type}/foreign`, null);
        }
        const missing = await ask(protocol.queryObject("configmap", inDefault("absent")));
        assert.equal(reasonOf(missing), "NotFound");
        assert.equal(protocol.requiresAck(missing), false);
      },
    );

    test("query volumes, claims and attachments of the node's pods", { timeout }, async () => {
      const { kube, signal } = fixture;
      const capacity = { storage: "1Gi" };
      await kube.create(
        PERSISTENT_VOLUME_CLAIMS,
        {
          metadata: inDefault("claim"),
          spec: {
            accessModes: ["ReadWriteOnce"],
            resources: { requests: capacity },
            storageClassName: "",
            volumeName: "pv1",
          },
        },
        signal,
      );
      const volume = (name: string, claim: string) => ({
        metadata: { name },
        spec: {
          capacity,
          accessModes: ["ReadWriteOnce"],
          hostPath: { path: "/tmp/x" },
          claimRef: { ...inDefault(claim) },
        },
      });
      await kube.create(PERSISTENT_VOLUMES, volume("pv1", "claim"), signal);
      await kube.create(PERSISTENT_VOLUMES, volume("pv2", "other"), signal);
      for (const [name, nodeName] of [
        ["va1", NODE],
        ["va2", OTHER],
      ] as const)
        await kube.create(
          VOLUME_ATTACHMENTS,
          { metadata: { name }, spec: { attacher: "a", nodeName, source: { persistentVolumeName: "pv1" } } },
          signal,
        );
      const queries = [
        ["persistentvolumeclaim", inDefault("claim")],
        ["persistentvolume", { name: "pv1" }],
        ["volumeattachment", { name: "va1" }],
      ] as const;
      for (const [type, key] of queries) {
        const answer = await ask(protocol.queryObject(type, key));
        assert.equal(protocol.readQueriedObject(answer.content).kind?.toLowerCase(), type);
        assert.equal(protocol.requiresAck(answer), true);
      }
      await refused("query", "default/persistentvolumeclaim/other", null);
      await refused("query", "null/persistentvolume/pv2", null);
      await refused("query", "default/volumeattachment/va2", null);
      const attachments = await kubernetes.kubectl(
        "get",
        "clusterobjectsyncs",
        "-o",
        "jsonpath={.items[*].spec.objectKind}",
      );
      assert.match(attachments, /VolumeAttachment/); // W29
    });

    test(
      "W-24: what edges of ours ask besides: CSIDrivers, RuntimeClasses, their CSINode, sizes of claims",
      { timeout },
      async () => {
        const { kube, signal } = fixture;
        const driver = await kube.create(CSI_DRIVERS, { metadata: { name: "d.x" }, spec: {} }, signal);
        await kube.create(RUNTIME_CLASSES, { metadata: { name: "safe" }, handler: "safe" }, signal);
        for (const [type, name] of [
          ["csidriver", "d.x"],
          ["runtimeclass", "safe"],
        ] as const) {
          const answer = await ask(protocol.queryObject(type, { name }));
          assert.equal(protocol.readQueriedObject(answer.content).metadata?.name, name);
          assert.equal(protocol.requiresAck(answer), false);
        }
        const drivers = [{ name: driver.metadata?.name ?? "", nodeID: "n", topologyKeys: [] }];
        const csiNode: CSINode = { metadata: { name: NODE }, spec: { drivers } };
        for (const partial of [true, false])
          protocol.readObjectResp((await ask(protocol.publishCsiNode(csiNode, partial))).content);
        assert.equal((await kube.get(CSI_NODES, { name: NODE }, signal)).spec.drivers[0]?.nodeID, "n");
        // What it comes to is in volume-requests.itest.ts.
        const size = await ask(protocol.reportClaimSize(inDefault("claim"), { uid: "another", storage: "1Gi" }));
        assert.equal(reasonOf(size), "BadRequest");
      },
    );

    test("tokens: only for own pods, bound to them, of their account", { timeout }, async () => {
      const request = (changes: object = {}, account = "app") =>
        protocol.requestToken(inDefault(account), {
          metadata: { creationTimestamp: null },
          spec: {
            audiences: null,
            expirationSeconds: 3600,
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "mine", uid: mine.metadata?.uid },
            ...changes,
          },
          status: { token: "", expirationTimestamp: null },
        } as unknown as TokenRequest);
      const answer = await ask(request());
      const token = protocol.readQueriedObject(answer.content) as TokenRequest;
      assert.ok((token.status?.token ?? "").split(".").length === 3);
      assert.equal(answer.header.resourceversion, undefined);
      assert.equal(protocol.requiresAck(answer), false);
      const refusedTokens = [
        request({ boundObjectRef: undefined }),
        request({ boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "theirs", uid: theirs.metadata?.uid } }),
        request({ boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "mine", uid: "another" } }),
        request({ boundObjectRef: { kind: "Secret", apiVersion: "v1", name: "sec", uid: "x" } }),
        request({}, "default"),
      ];
      for (const forged of refusedTokens) assert.equal(reasonOf(await ask(forged)), "Forbidden");
    });

    test("leases: create, read, renew, conflict; only its own", { timeout }, async () => {
      const missing = await ask(protocol.queryLease(NODE));
      assert.deepEqual((missing.content as { Object: unknown }).Object, null);
      assert.equal(reasonOf(missing), "NotFound");
      const lease = {
        metadata: { name: NODE, creationTimestamp: null },
        spec: { holderIdentity: NODE, leaseDurationSeconds: 40, renewTime: "2025-01-02T03:04:05.000000Z" },
      };
      const created = protocol.readObjectResp<Lease>(
        (await ask(protocol.createLease(lease as unknown as Lease))).content,
      );
      const renewed = protocol.readObjectResp<Lease>((await ask(protocol.updateLease(created))).content);
      assert.equal(renewed.spec?.holderIdentity, NODE);
      await fixture.kube.patch(
        LEASES,
        { namespace: "kube-node-lease", name: NODE },
        { type: "merge", body: { spec: { leaseDurationSeconds: 41 } } },
        fixture.signal,
      );
      assert.equal(reasonOf(await ask(protocol.updateLease(renewed))), "Conflict");
      const read = protocol.readObjectResp<Lease>((await ask(protocol.queryLease(NODE))).content);
      assert.equal(read.kind, "Lease");
      for (const operation of ["insert", "update", "query"])
        await refused(operation, `kube-node-lease/lease/${OTHER}`, lease);
      await refused("insert", `default/lease/${NODE}`, lease);
    });

    test("events: created, updated and patched, never answered; none in another's name", { timeout }, async () => {
      const { kube, signal } = fixture;
      const event = (name: string, host = NODE): Event => ({
        metadata: { name, namespace: "default" },
        involvedObject: { kind: "Pod", namespace: "default", name: "mine" },
        reason: "Started",
        message: "Started container",
        source: { component: "kubelet", host },
        count: 1,
        type: "Normal",
      });
      const say = (message: protocol.Message) => {
        asked.add(`${message.route.operation} event`);
        edge.send(message);
      };
      say(protocol.createEvent(event("e1")));
      say(protocol.createEvent(event("e1")));
      say(protocol.createEvent(event("foreign", OTHER)));
      say(protocol.patchEvent(event("e1"), JSON.stringify({ count: 2 })));
      say(protocol.patchEvent(event("e2"), JSON.stringify({ count: 2 })));
      say(forge("update", "default/event/e1", { ...event("e1"), count: 3 }));
      say(protocol.createEvent(event("last")));
      for (;;) {
        const { items } = await kube.list(EVENTS, { namespace: "default" }, signal);
        if (!items.some(({ metadata }) => metadata.name === "last")) continue;
        const counts = new Map(items.map(({ metadata, count }) => [metadata.name, count]));
        assert.deepEqual([counts.get("e1"), counts.get("e2"), counts.has("foreign")], [3, 1, false]);
        break;
      }
    });

    test("certificate requests: only for the node's own server", { timeout }, async () => {
      const csr = (name: string, commonName: string, signerName = "kubernetes.io/kubelet-serving") => {
        const pem = derToPem("CERTIFICATE", signingRequest(commonName).der).replaceAll(
          "CERTIFICATE",
          "CERTIFICATE REQUEST",
        );
        const usages = ["digital signature", "server auth"];
        return {
          metadata: { name, creationTimestamp: null },
          spec: { request: Buffer.from(pem).toString("base64"), signerName, usages },
        };
      };
      const own = csr("own", `system:node:${NODE}`);
      const resource = "default/certificatesigningrequest/own";
      const created = await ask(forge("insert", resource, own));
      assert.equal(protocol.readObjectResp(created.content).metadata?.name, "own");
      const read = await ask(forge("query", resource, null));
      assert.equal(protocol.readQueriedObject(read.content).metadata?.name, "own");
      assert.equal(protocol.requiresAck(read), false);
      await refused("insert", "default/certificatesigningrequest/a", csr("a", `system:node:${OTHER}`));
      await refused(
        "insert",
        "default/certificatesigningrequest/b",
        csr("b", `system:node:${NODE}`, "kubernetes.io/kube-apiserver-client"),
      );
    });

    test("the cluster's CA, empty where the cluster publishes none", { timeout }, async () => {
      const empty = await edge.ask(protocol.queryKubernetesCa());
      assert.equal(empty.content, "");
      assert.deepEqual(empty.route, {
        source: "cloudhub",
        group: "resource",
        operation: "response",
        resource: "k8s/ca.crt",
      });
      const key = { namespace: "kube-system", name: "kube-root-ca.crt" };
      await fixture.kube.create(CONFIG_MAPS, { metadata: key, data: { "ca.crt": "PEM" } }, fixture.signal);
      assert.equal((await edge.ask(protocol.queryKubernetesCa())).content, "PEM");
    });

    test("W43: a lease message whose resource is too short harms nobody", { timeout }, async () => {
      edge.send(forge("update", "kube-node-lease/lease", { metadata: { name: NODE } }));
      edge.send(forge("update", "lease", { metadata: { name: NODE } }));
      await ask(forge("query", `kube-node-lease/lease/${NODE}`, null));
    });

    test("what nobody has heard of is refused without harm", { timeout }, async () => {
      edge.send(forge("patch", "default/secret/sec", "{}"));
      edge.send(forge("insert", "default/rulestatus/x", {}));
      edge.send(forge("query", "default/configmap", null));
      protocol.readQueriedObject((await edge.ask(protocol.queryObject("configmap", inDefault("cfg")))).content);
    });

    test("every row of the catalogue was asked for in these tests", () => {
      assert.deepEqual(
        [...UPSTREAM_HANDLERS.keys()].filter((row) => !asked.has(row)),
        [],
      );
    });
  },
);
