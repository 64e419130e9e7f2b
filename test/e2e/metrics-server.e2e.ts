/** `kubectl top` on real Kubernetes, with metrics-server as clusters have it: API aggregation, a token, and no option but its usual ones. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type KubeObject, NODES, PODS, SECRETS } from "@kedge/kube";
import { freePort, TestCa, TestKubernetes, TestProcess } from "@kedge/testing";
import { Kubectl } from "./kubectl.ts";
import { sleeper, TestBed } from "./test-bed.ts";
import { kubernetesCloud, OUR_CLOUD } from "./test-cloud.ts";
import { TestEdgeNode } from "./test-edge-node.ts";

const NODE = "edge-measured";
const folder = process.env["KEDGE_METRICS_SERVER_ASSETS"] ?? join(homedir(), ".cache/kedge/metrics-server/bin-v0.9.0");
const program = join(folder, "metrics-server");
const NAMESPACE = "kube-system";
const NAME = "metrics-server";
/** It looks at nodes every 15 s, and two looks make a rate. */
const MEASURED_MS = 180_000;

/** An aggregated API is not reached on loopback. */
const address = Object.values(networkInterfaces())
  .flatMap((found) => found ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

function missing(): string | false {
  if (!existsSync(program)) return `no ${program}: ./kedge node scripts/prepare-metrics-server.ts builds it with Go`;
  if (address === undefined) return "this machine has no address but loopback";
  return TestEdgeNode.missing() || TestKubernetes.missing() || Kubectl.missing();
}

describe("metrics-server on real Kubernetes", { skip: missing() }, () => {
  const scope = new AsyncDisposableStack();
  let bed: TestBed;
  let kubectl: Kubectl;
  let server: TestProcess;
  const signal = () => AbortSignal.timeout(60_000);

  before(async () => {
    const dir = mkdtempSync(join(tmpdir(), "kedge-metrics-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const file = (name: string, text: string) => {
      writeFileSync(join(dir, name), text, { mode: 0o600 });
      return join(dir, name);
    };
    const apiserverArgs = await aggregation(file);
    bed = scope.use(await TestBed.start(kubernetesCloud(OUR_CLOUD, undefined, { apiserverArgs }), NODE));
    kubectl = new Kubectl(bed.cloud.kubeconfig);
    await bed.cloud.kube.create(PODS, sleeper("busy", NODE), signal());
    await bed.podReady("busy");

    const port = await freePort();
    await kubectl.run(["apply", "-f", file("objects.json", JSON.stringify(objects(port)))]);
    const token = (await kubectl.run(["-n", NAMESPACE, "create", "token", NAME])).trim();
    const config = JSON.parse(await kubectl.run(["config", "view", "--raw", "--flatten", "-o", "json"])) as {
      users: object[];
    };
    config.users = [{ ...config.users[0], user: { token } }];
    const kubeconfig = file("kubeconfig", JSON.stringify(config));
    const ca = await bed.cloud.kube.get(SECRETS, { namespace: "kubeedge", name: "casecret" }, signal());
    const der = Buffer.from(ca.data?.["cadata"] ?? "", "base64");
    const flags = {
      kubeconfig,
      "authentication-kubeconfig": kubeconfig,
      "authorization-kubeconfig": kubeconfig,
      "secure-port": port,
      "cert-dir": join(dir, "certs"),
      "metric-resolution": "15s",
      "kubelet-use-node-status-port": true,
      "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
      "kubelet-certificate-authority": file("kubeedge-ca.crt", new X509Certificate(der).toString()),
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    server = scope.use(TestProcess.start(NAME, program, args, join(dir, "metrics-server.log")));
  });
  after(() => scope.disposeAsync());

  async function top(...args: string[]): Promise<string> {
    const limit = AbortSignal.timeout(MEASURED_MS);
    for (;;) {
      const { code, stdout, stderr } = await kubectl.try(["top", ...args, "--no-headers"]);
      if (code === 0 && stdout !== "") return stdout;
      if (limit.aborted || !server.running)
        throw new Error(`kubectl top ${args.join(" ")}: ${stderr}\n${server.logTail()}`);
    }
  }

  test("kubectl top node and pod", { timeout: 2 * MEASURED_MS }, async () => {
    assert.match(await top("node"), /^edge-measured\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
    assert.match(await top("pod", "busy", "--containers"), /busy\s+main\s+\d+m\s+\d+Mi/);
  });

  test("the node was found by address and port alone", async () => {
    const { status } = await bed.cloud.kube.get(NODES, { name: NODE }, signal());
    assert.equal(status?.addresses?.[0]?.type, "InternalIP");
    assert.doesNotMatch(server.logTail(), /Failed to scrape node/);
  });
});

/** What kube-apiserver must know to hand requests on to another API server, as kubeadm sets it. */
async function aggregation(file: (name: string, text: string) => string): Promise<string[]> {
  const ca = await TestCa.create("front-proxy");
  const { certificate, key } = await ca.issueClient("front-proxy-client", []);
  return [
    `--requestheader-client-ca-file=${file("front-proxy-ca.crt", ca.certificatePem)}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${file("front-proxy.crt", certificate)}`,
    `--proxy-client-key-file=${file("front-proxy.key", key)}`,
    "--enable-aggregator-routing=true",
  ];
}

/** What metrics-server's manifest has, but for the pod. */
function objects(port: number): object {
  const rbac = "rbac.authorization.k8s.io";
  const subjects = [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }];
  const metadata = { name: NAME, namespace: NAMESPACE };
  const bind = (name: string, kind: string, role: string, namespace?: string) => ({
    apiVersion: `${rbac}/v1`,
    kind: namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    roleRef: { apiGroup: rbac, kind, name: role },
    subjects,
  });
  const items: (KubeObject & Record<string, unknown>)[] = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRole",
      metadata: { name: "system:metrics-server" },
      rules: [
        { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
        { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
      ],
    },
    bind("system:metrics-server", "ClusterRole", "system:metrics-server"),
    bind("metrics-server:system:auth-delegator", "ClusterRole", "system:auth-delegator"),
    bind("metrics-server-auth-reader", "Role", "extension-apiserver-authentication-reader", NAMESPACE),
    { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ name: "https", port: 443, targetPort: port }] } },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": NAME } },
      addressType: "IPv4",
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
    },
    {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: "v1beta1.metrics.k8s.io" },
      spec: {
        group: "metrics.k8s.io",
        version: "v1beta1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name: NAME, namespace: NAMESPACE },
      },
    },
  ];
  return { apiVersion: "v1", kind: "List", items };
}
