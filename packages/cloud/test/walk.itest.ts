import assert from "node:assert/strict";
import { test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { CONFIG_MAPS, type Node, NODES, PODS } from "@kedge/kube";
import { readObjectResp, registerNode } from "@kedge/protocol";
import { createLogger, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, of, StockEdge } from "./stock-edge.ts";

const timeout = 120_000;
const logger =
  process.env["KEDGE_TEST_LOG"] === undefined ? silentLogger : createLogger({ test: "walk" }, { level: "debug" });

test(
  "a node joins, registers, and gets its pod with what the pod needs",
  { timeout, skip: TestKubernetes.missing() },
  async () => {
    await using kubernetes = await startKubernetes();
    await using fixture = await startCloud(kubernetes, {}, logger);
    const { cloud, kube, signal } = fixture;
    const identity = await join(cloud.ports.https, await fixture.token(), "edge-1");
    await using edge = await StockEdge.connect(cloud.ports.websocket, identity);

    const labels = {
      "kubernetes.io/hostname": "edge-1",
      "node-role.kubernetes.io/edge": "",
      "node-role.kubernetes.io/agent": "",
    };
    const node = {
      metadata: { name: "edge-1", creationTimestamp: null, labels },
      spec: {},
      status: {},
    } as unknown as Node;
    const registered = readObjectResp<Node>((await edge.ask(registerNode(node))).content);
    assert.deepEqual(registered.metadata?.labels, labels);
    assert.equal((await kube.get(NODES, { name: "edge-1" }, signal)).metadata?.annotations?.["cloudcore"], "127.0.0.1");
    await edge.wait(of("null/node/edge-1", "update"));

    await kube.create(CONFIG_MAPS, { metadata: { name: "cfg", namespace: "default" }, data: { k: "v" } }, signal);
    await kube.create(PODS, podOn("edge-1", "web", { volumes: [{ name: "c", configMap: { name: "cfg" } }] }), signal);
    const pod = await edge.wait(of("default/pod/web", "insert"));
    const needed = edge.received.findIndex(of("default/configmap/cfg"));
    assert.ok(needed !== -1 && needed < edge.received.indexOf(pod), "the ConfigMap comes before the pod");

    const stored = await kube.get(PODS, { namespace: "default", name: "web" }, signal);
    const name = `edge-1.${stored.metadata?.uid}`;
    for (;;) {
      const record = await kube.get(OBJECT_SYNCS, { namespace: "default", name }, signal);
      assert.deepEqual(record.spec, { objectAPIVersion: "v1", objectKind: "Pod", objectName: "web" });
      if (record.status?.objectResourceVersion === stored.metadata?.resourceVersion) break;
    }
  },
);
