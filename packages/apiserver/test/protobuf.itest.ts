import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { UndiciTransport } from "@kedge/kube-client";
import { TestKubernetes } from "@kedge/testing";
import { decodeProtobuf, PROTOBUF_MEDIA_TYPE } from "../src/protobuf/decode-protobuf.ts";

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "rich", labels: { a: "b" }, annotations: { "example.com/x": "ü" } },
  spec: {
    nodeName: "nowhere",
    terminationGracePeriodSeconds: 0,
    securityContext: { runAsUser: 0, runAsNonRoot: false, sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }] },
    initContainers: [{ name: "first", image: "i", restartPolicy: "Always" }],
    containers: [
      {
        name: "main",
        image: "i:1",
        command: ["sh", ""],
        ports: [{ containerPort: 80, hostPort: 8080, name: "http" }],
        env: [
          { name: "EMPTY", value: "" },
          { name: "FIELD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "SECRET", valueFrom: { secretKeyRef: { name: "s", key: "k", optional: false } } },
        ],
        envFrom: [{ prefix: "P_", configMapRef: { name: "c" } }],
        resources: { limits: { cpu: "500m", memory: "64Mi" }, requests: { cpu: "250m" } },
        livenessProbe: { httpGet: { path: "/", port: "http" }, initialDelaySeconds: 3 },
        readinessProbe: { tcpSocket: { port: 80 } },
        volumeMounts: [{ name: "e", mountPath: "/e", readOnly: true }],
        securityContext: { capabilities: { add: ["NET_ADMIN"] }, allowPrivilegeEscalation: false },
      },
    ],
    volumes: [
      { name: "e", emptyDir: {} },
      { name: "m", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      { name: "p", projected: { sources: [{ configMap: { name: "c", items: [{ key: "k", path: "p" }] } }] } },
      { name: "h", hostPath: { path: "/tmp", type: "" } },
    ],
    tolerations: [{ operator: "Exists", effect: "NoExecute", tolerationSeconds: 0 }],
  },
};
const labels = { app: "x" };
const OBJECTS: readonly { path: string; body: { metadata: { name: string } } }[] = [
  { path: "/api/v1/namespaces/default/pods", body: POD },
  {
    path: "/api/v1/namespaces/default/configmaps",
    body: {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c" },
      data: { k: "", ["__proto__"]: "kept" },
      binaryData: { b: "AAEC" },
      immutable: false,
    } as never,
  },
  {
    path: "/apis/apps/v1/namespaces/default/deployments",
    body: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "d" },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        strategy: { rollingUpdate: { maxSurge: "25%", maxUnavailable: 1 } },
        template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } },
      },
    } as never,
  },
  {
    path: "/api/v1/namespaces/default/services",
    body: {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s" },
      spec: { selector: labels, ports: [{ port: 80, targetPort: "http" }] },
    } as never,
  },
  {
    path: "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    body: {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "l" },
      spec: { holderIdentity: "me", leaseDurationSeconds: 40, renewTime: "2026-01-02T03:04:05.678901Z" },
    } as never,
  },
  {
    path: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    body: {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "r" },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
    } as never,
  },
];

describe("reading protobuf as kube-apiserver writes it", { skip: TestKubernetes.missing() }, () => {
  const scope = new AsyncDisposableStack();
  let transport: UndiciTransport;
  before(async () => {
    const kubernetes = scope.use(await TestKubernetes.start());
    transport = scope.use(new UndiciTransport(kubernetes.connection()));
  });
  after(async () => scope.disposeAsync());

  const call = async (method: string, path: string, accept: string, body?: object): Promise<Buffer> => {
    const response = await transport.request({
      method,
      path,
      headers: { accept, ...(body !== undefined && { "content-type": "application/json" }) },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      signal: AbortSignal.timeout(30_000),
    });
    const bytes = Buffer.concat(await Array.fromAsync(response.body));
    assert.ok(response.status < 300, bytes.toString());
    return bytes;
  };

  for (const { path, body } of OBJECTS)
    test(`${path.split("/").at(-1)}: the same object as in JSON`, async () => {
      await call("POST", path, "application/json", body);
      const url = `${path}/${body.metadata.name}`;
      const json = JSON.parse((await call("GET", url, "application/json")).toString()) as Record<string, unknown>;
      const protobuf = decodeProtobuf(await call("GET", url, PROTOBUF_MEDIA_TYPE));
      assert.deepEqual(withoutZeros(protobuf), withoutZeros(json));
    });
});

/** Go's JSON keeps zeros of some required members, such as a condition's empty time: they mean the same. */
function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, withoutZeros(member)] as const);
  return Object.fromEntries(
    entries.filter(([, member]) => member !== null && member !== "" && member !== 0 && !isEmpty(member)),
  );
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
