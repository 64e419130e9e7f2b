import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  CSI_NODES,
  type CSINodeDriver,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type PersistentVolumeClaim,
  PODS,
  SECRETS,
} from "@kedge/kube";
import { newMessage, readObjectResp, readQueriedObject } from "@kedge/protocol";
import { TestKubernetes } from "@kedge/testing";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, StockEdge } from "./stock-edge.ts";

const NODE = "edge-1";
const timeout = 20_000;

suite("what a node may ask about the volumes of its pods", { skip: TestKubernetes.missing(), timeout: 120_000 }, () => {
  const scope = new AsyncDisposableStack();
  let fixture: CloudFixture;
  let edge: StockEdge;
  let uid: string;

  before(async () => {
    const kubernetes = scope.use(await startKubernetes());
    fixture = scope.use(await startCloud(kubernetes));
    const { cloud, kube, signal } = fixture;
    await kube.create(NODES, { metadata: { name: NODE, labels: { "node-role.kubernetes.io/edge": "" } } }, signal);
    for (const name of ["login", "other"])
      await kube.create(SECRETS, { metadata: { namespace: "kube-system", name }, stringData: { user: "me" } }, signal);
    const accessModes = ["ReadWriteOnce"];
    const claim = await kube.create(
      PERSISTENT_VOLUME_CLAIMS,
      {
        metadata: { namespace: "default", name: "data" },
        spec: { accessModes, resources: { requests: { storage: "2Gi" } }, volumeName: "disk", storageClassName: "" },
      },
      signal,
    );
    uid = claim.metadata?.uid ?? "";
    await kube.create(
      PERSISTENT_VOLUMES,
      {
        metadata: { name: "disk" },
        spec: {
          accessModes,
          capacity: { storage: "2Gi" },
          claimRef: { namespace: "default", name: "data", uid },
          csi: { driver: "d", volumeHandle: "v", nodeStageSecretRef: { namespace: "kube-system", name: "login" } },
        },
      },
      signal,
    );
    const conditions = [{ type: "FileSystemResizePending", status: "True" }];
    const status = { phase: "Bound", accessModes, capacity: { storage: "1Gi" }, conditions };
    await kube.update<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS, { ...claim, status }, signal, {
      subresource: "status",
    });
    const pod = podOn(NODE, "user");
    const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
    await kube.create(PODS, { ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], volumes } }, signal);
    edge = scope.use(
      await StockEdge.connect(cloud.ports.websocket, await join(cloud.ports.https, await fixture.token(), NODE)),
    );
    await edge.wait(({ route }) => route.resource === "default/pod/user");
  });
  after(() => scope.disposeAsync());

  const ask = (operation: string, resource: string, content: unknown = null) =>
    edge.ask(newMessage({ source: "edged", group: "meta", operation, resource, content }));

  test("the Secret that a volume names for its driver, and no other of that namespace", { timeout }, async () => {
    const secret = readQueriedObject((await ask("query", "kube-system/secret/login")).content);
    assert.equal(secret.metadata?.name, "login");
    const refused = (await ask("query", "kube-system/secret/other")).content as { ErrStatus?: { reason?: string } };
    assert.equal(refused.ErrStatus?.reason, "Forbidden");
  });

  test("that a volume has become as large as the cluster made it, and no larger", { timeout }, async () => {
    const { kube, signal } = fixture;
    const status = async () =>
      (await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace: "default", name: "data" }, signal)).status;
    const tooMuch = (await ask("update", "default/claimsize/data", { uid, storage: "9Ti" })).content;
    assert.equal((tooMuch as { ErrStatus?: { reason?: string } }).ErrStatus?.reason, "BadRequest");
    assert.deepEqual((await status())?.capacity, { storage: "1Gi" });
    assert.equal((await ask("update", "default/claimsize/data", { uid, storage: "2Gi" })).content, "OK");
    assert.deepEqual(await status(), { phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: { storage: "2Gi" } });
  });

  test("that its CSINode lists its drivers: added, changed, taken away", { timeout }, async () => {
    const { kube, signal } = fixture;
    const driver = (name: string, nodeID: string): CSINodeDriver => ({ name, nodeID, topologyKeys: [] });
    const publish = async (operation: string, drivers: CSINodeDriver[]) =>
      readObjectResp(
        (await ask(operation, `null/csinode/${NODE}`, { metadata: { name: NODE }, spec: { drivers } })).content,
      );
    const listed = async () => {
      const { metadata, spec } = await kube.get(CSI_NODES, { name: NODE }, signal);
      assert.equal(metadata?.ownerReferences?.[0]?.kind, "Node");
      return (spec.drivers ?? []).map(({ name, nodeID }) => `${name}=${nodeID}`);
    };
    await publish("update", [driver("a.x", "1")]);
    assert.deepEqual(await listed(), ["a.x=1"]);
    await publish("insert", [driver("b.x", "1")]);
    assert.deepEqual(await listed(), ["a.x=1", "b.x=1"]);
    const before = (await kube.get(CSI_NODES, { name: NODE }, signal)).metadata?.resourceVersion;
    await publish("update", [driver("a.x", "1"), driver("b.x", "1")]);
    assert.equal((await kube.get(CSI_NODES, { name: NODE }, signal)).metadata?.resourceVersion, before);
    await publish("update", [driver("b.x", "2")]);
    assert.deepEqual(await listed(), ["b.x=2"]);
    await publish("update", []);
    assert.deepEqual(await listed(), []);
  });
});
