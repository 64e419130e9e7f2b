import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  CONFIG_MAPS,
  type CustomResourceDefinition,
  DEPLOYMENTS,
  NAMESPACES,
  PODS,
  type ResourceType,
} from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { setNodeReady, TestKubelet, TestKubernetes } from "@kedge/testing";
import { runKeadm } from "./run-keadm.ts";

const NAMESPACE = "kubeedge";
const CRDS: ResourceType<CustomResourceDefinition> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
};

suite("keadm where kubectl works", { skip: TestKubernetes.missing(), timeout: 240_000 }, () => {
  let scope: AsyncDisposableStack;
  let kubernetes: TestKubernetes;
  let kube: KubeClient;
  let kubelet: TestKubelet;
  let behaviour: "ready" | "pending" = "pending";
  const signal = () => AbortSignal.timeout(30_000);
  const keadm = (...args: string[]) => runKeadm(...args, "--kube-config", kubernetes.adminKubeconfig);

  before(async () => {
    scope = new AsyncDisposableStack();
    kubernetes = scope.use(await TestKubernetes.start({ controllerManager: true, scheduler: true }));
    kube = scope.use(kubernetes.connect());
  });
  after(() => scope.disposeAsync());

  test("init says what a cluster lacks, and what to run next", async () => {
    assert.match(
      (await keadm("init")).error?.message ?? "",
      /none of the cluster's 0 nodes is ready.*kubectl get nodes/,
    );
    kubelet = scope.use(
      await TestKubelet.start(kube, "worker", {
        behave: (pod) => (pod.metadata?.namespace === NAMESPACE ? behaviour : "ready"),
      }),
    );
    assert.match(
      (await keadm("init")).error?.message ?? "",
      /no pod of CoreDNS or kube-dns is ready.*kubectl -n kube-system get pods/,
    );
    await kubernetes.kubectl("-n", "kube-system", "wait", "--for=create", "serviceaccount/default", "--timeout=30s");
    await kubernetes.kubectl("-n", "kube-system", "run", "coredns", "--image=coredns", "--labels=k8s-app=kube-dns");
    await kubernetes.kubectl("-n", "kube-system", "wait", "--for=condition=Ready", "pod/coredns", "--timeout=30s");
    await setNodeReady(kube, kubelet.nodeName, "True", signal());
  });

  test("init refuses a kubeconfig without the rights", async () => {
    const file = await kubernetes.kubeconfigFor("somebody");
    const { error } = await runKeadm("init", "--kube-config", file);
    assert.match(error?.message ?? "", /this kubeconfig may not list nodes: use one with cluster-admin/);
  });

  test("--dry-run prints all and changes nothing", async () => {
    const { printed, error } = await keadm("init", "--dry-run", "--advertise-address", "192.0.2.1");
    assert.equal(error, undefined);
    assert.match(printed, /kind: Deployment/);
    assert.match(printed, /192\.0\.2\.1/);
    await assert.rejects(kube.get(NAMESPACES, { name: NAMESPACE }, signal()), (thrown) => hasCode(thrown, "NotFound"));
  });

  const ADDRESS = ["--advertise-address", "192.0.2.1,cloud.example.org"];

  test("FIX: init that cannot succeed tells the pod's own reason, not that it timed out", async () => {
    const { error } = await keadm("init", ...ADDRESS, "--set", "cloudCore.nodeSelector.disk=ssd", "--timeout", "4");
    assert.match(error?.message ?? "", /pod cloudcore-\S+ has no node: .*node affinity\/selector/);
    assert.ok(hasCode(error, "NotReady"));
  });

  test("init with other values than those that are there says: upgrade", async () => {
    const { error } = await keadm("init", ...ADDRESS);
    assert.match(
      error?.message ?? "",
      /cloudcore is installed already, with other values: change it with keadm upgrade cloud/,
    );
  });

  test("U5: the same init again goes on, and succeeds once the cluster can run it", async () => {
    behaviour = "ready";
    await kubernetes.kubectl("label", "node", "worker", "disk=ssd");
    const again = ["init", ...ADDRESS, "--set", "cloudCore.nodeSelector.disk=ssd", "--timeout", "30", "-o", "json"];
    for (let times = 0; times < 2; times += 1) {
      const { error, printed, told } = await keadm(...again);
      assert.equal(error, undefined);
      assert.equal((JSON.parse(printed) as { status: string }).status, "deployed");
      assert.match(told, /keadm join -e 192\.0\.2\.1:10000/);
    }
    const { data } = await kube.get(CONFIG_MAPS, { namespace: NAMESPACE, name: "cloudcore" }, signal());
    assert.match(data?.["cloudcore.yaml"] ?? "", /- 192\.0\.2\.1\n\s+- cloud\.example\.org/);
  });

  test("U4: upgrade cloud upgrades the CRDs, and keeps the values if asked to", async () => {
    const name = "devices.devices.kubeedge.io";
    const old = await kube.get(CRDS, { name }, signal());
    const body = [{ op: "remove", path: "/spec/versions/0/additionalPrinterColumns" }];
    await kube.patch(CRDS, { name }, { type: "json", body }, signal());
    const { error, told } = await keadm(
      "upgrade",
      "cloud",
      "--reuse-values",
      "--kubeedge-version",
      "v9.9.9",
      "--timeout",
      "30",
    );
    assert.equal(error, undefined);
    assert.match(told, /cloudcore\.yaml before:[^]*192\.0\.2\.1/);
    const now = await kube.get(CRDS, { name }, signal());
    assert.deepEqual(now.spec.versions[0]?.additionalPrinterColumns, old.spec.versions[0]?.additionalPrinterColumns);
    const { spec } = await kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name: "cloudcore" }, signal());
    assert.equal(spec?.template.spec?.containers[0]?.image, "kedge/cloudcore:v9.9.9");
    assert.deepEqual(spec?.template.spec?.nodeSelector, { disk: "ssd" });
  });

  test("upgrade cloud without an address keeps those that edges dial", async () => {
    const { error } = await keadm("upgrade", "cloud", "--set", "cloudCore.nodeSelector.disk=ssd", "--timeout", "30");
    assert.equal(error, undefined);
    const { data } = await kube.get(CONFIG_MAPS, { namespace: NAMESPACE, name: "cloudcore" }, signal());
    assert.match(data?.["cloudcore.yaml"] ?? "", /- 192\.0\.2\.1\n\s+- cloud\.example\.org/);
  });

  test("reset cloud asks first, then leaves nothing of init; twice is no error", async () => {
    assert.match((await keadm("reset", "cloud")).error?.message ?? "", /asked: This removes namespace kubeedge/);
    for (let times = 0; times < 2; times += 1) {
      const { error } = await keadm("reset", "cloud", "--force", "--crds");
      assert.equal(error, undefined);
    }
    await assert.rejects(kube.get(NAMESPACES, { name: NAMESPACE }, signal()), (thrown) => hasCode(thrown, "NotFound"));
    const left = await kubernetes.kubectl(
      "get",
      "clusterroles,clusterrolebindings,crds,roles,rolebindings",
      "-A",
      "-o",
      "name",
    );
    assert.doesNotMatch(left, /cloudcore|kubeedge/, "U9: nothing outside the namespace either");
    assert.deepEqual((await kube.list(PODS, { namespace: NAMESPACE }, signal())).items, []);
  });

  test("upgrade cloud without a cloudcore says: init", async () => {
    assert.match(
      (await keadm("upgrade", "cloud")).error?.message ?? "",
      /there is no cloudcore .*: install it with keadm init/,
    );
  });
});
