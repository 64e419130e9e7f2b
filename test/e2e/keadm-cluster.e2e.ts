import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "@kedge/api";
import { CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS } from "@kedge/kube";
import { programCommand, removeCgroups } from "@kedge/standalone";
import { freePort, TEST_IMAGE, TestContainerd, TestKubernetes, TestProcess } from "@kedge/testing";
import { NAMESPACE, readyPod, SLEEP } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
process.env["KEDGE_ROOT"] ??= root;
const NODE = "edge-least-rights";
const USER = "system:serviceaccount:kubeedge:cloudcore";

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: ["${USER}"]
  - level: None
`;

interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly responseStatus?: { readonly code?: number };
}

test(
  "with the rights of manifests/cloudcore alone, cloudcore serves a node, its pod and its device on a real cluster",
  { skip: TestContainerd.missing() || TestKubernetes.missing(), timeout: 240_000 },
  async (context) => {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-rights-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const at = (name: string) => join(dir, name);
    writeFileSync(at("policy.yaml"), AUDIT_POLICY);
    const apiserverArgs = [`--audit-policy-file=${at("policy.yaml")}`, `--audit-log-path=${at("audit.log")}`];
    const kubernetes = scope.use(
      await TestKubernetes.start({ controllerManager: true, scheduler: true, apiserverArgs }),
    );
    const kube = scope.use(kubernetes.connect());
    const containerd = scope.use(await TestContainerd.start());
    const cgroup = `/kedge-test-${containerd.bridge}`;
    scope.defer(() => removeCgroups(cgroup));
    for (const file of ["crds", "cloudcore/00-namespace.yaml", "cloudcore/10-rbac.yaml"])
      await kubernetes.kubectl("apply", "-f", join(root, "manifests", file));

    const [cloudHub, https] = [await freePort(), await freePort()];
    const token = await kubernetes.kubectl("-n", "kubeedge", "create", "token", "cloudcore", "--duration=1h");
    const kubeconfig = JSON.parse(readFileSync(kubernetes.adminKubeconfig, "utf8")) as { users: { user: object }[] };
    kubeconfig.users[0] = { ...kubeconfig.users[0], user: { token: token.trim() } };
    writeFileSync(at("cloudcore.kubeconfig"), JSON.stringify(kubeconfig), { mode: 0o600 });
    const config = {
      commonConfig: { monitorServer: { bindAddress: "127.0.0.1:0" } },
      kubeAPIConfig: { kubeConfig: at("cloudcore.kubeconfig") },
      modules: {
        cloudHub: {
          advertiseAddress: ["127.0.0.1"],
          tlsCAFile: at("ca.crt"),
          tlsCAKeyFile: at("ca.key"),
          tlsCertFile: at("server.crt"),
          tlsPrivateKeyFile: at("server.key"),
          websocket: { port: cloudHub },
          https: { port: https },
          unixsocket: { enable: false },
        },
        cloudStream: { enable: false },
      },
    };
    writeFileSync(at("cloudcore.yaml"), JSON.stringify(config));
    const [program = "", ...args] = programCommand("cloudcore");
    const cloud = scope.use(
      TestProcess.start("cloudcore", program, [...args, "--config", at("cloudcore.yaml")], at("cloudcore.log")),
    );
    await waitForObject(kube, SECRETS, { namespace: "kubeedge", name: "tokensecret" }, Boolean).catch(
      (error: unknown) => {
        throw new Error(`cloudcore made no token: ${cloud.logTail()}`, { cause: error });
      },
    );
    await waitForObject(kube, SERVICE_ACCOUNTS, { namespace: NAMESPACE, name: "default" }, Boolean);

    const keadm = (...words: string[]) => run(join(root, "kedge"), ["keadm", ...words], { timeout: 120_000 });
    const { stdout: joinToken } = await keadm("gettoken", "--kube-config", kubernetes.adminKubeconfig);
    const host = at("host");
    scope.defer(async () => void (await keadm("reset", "edge", "--force", "--root-dir", host)));
    const settings = [
      `modules.edged.tailoredKubeletConfig.cgroupRoot=${cgroup}`,
      "modules.edged.tailoredKubeletConfig.readOnlyPort=0",
      "modules.edged.reportEvent=true",
      "modules.eventBus.mqttMode=0",
      `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${await freePort()}`,
    ].join(",");
    await keadm(
      "join",
      `--root-dir=${host}`,
      `--cloudcore-ipport=127.0.0.1:${cloudHub}`,
      `--certport=${https}`,
      `--edgenode-name=${NODE}`,
      `--token=${joinToken.trim()}`,
      `--remote-runtime-endpoint=${containerd.endpoint}`,
      `--set=${settings}`,
    );

    const signal = () => AbortSignal.timeout(30_000);
    const named = (name: string) => ({ metadata: { name, namespace: NAMESPACE } });
    await kube.create(CONFIG_MAPS, { ...named("settings"), data: { greeting: "hello" } }, signal());
    await kube.create(SECRETS, { ...named("secret"), stringData: { key: "value" } }, signal());
    await kube.create(
      PODS,
      {
        ...named("worker"),
        spec: {
          nodeName: NODE, // its ServiceAccount's token is mounted, too
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "main",
              image: TEST_IMAGE,
              imagePullPolicy: "Never",
              command: SLEEP,
              envFrom: [{ secretRef: { name: "secret" } }],
              volumeMounts: [{ name: "settings", mountPath: "/settings" }],
            },
          ],
          volumes: [{ name: "settings", configMap: { name: "settings" } }],
        },
      },
      signal(),
    );
    await waitForObject(kube, PODS, { namespace: NAMESPACE, name: "worker" }, readyPod);
    await kube.create(
      DEVICE_MODELS,
      {
        ...named("sensor"),
        spec: { protocol: "mqtt", properties: [{ name: "heat", type: "INT", accessMode: "ReadWrite" }] },
      },
      signal(),
    );
    await kube.create(
      DEVICES,
      {
        ...named("sensor-1"),
        spec: {
          deviceModelRef: { name: "sensor" },
          nodeName: NODE,
          properties: [{ name: "heat", desired: { value: "1" } }],
        },
      },
      signal(),
    );
    await waitForObject(kube, DEVICE_STATUSES, { namespace: NAMESPACE, name: "sensor-1" }, Boolean);
    await kube.delete(DEVICES, { namespace: NAMESPACE, name: "sensor-1" }, signal());
    await kube.delete(PODS, { namespace: NAMESPACE, name: "worker" }, signal());
    await waitForObject(kube, PODS, { namespace: NAMESPACE, name: "worker" }, (pod) => pod === undefined);
    await waitForObject(
      kube,
      DEVICE_STATUSES,
      { namespace: NAMESPACE, name: "sensor-1" },
      (status) => status === undefined,
    );

    const events = readFileSync(at("audit.log"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as AuditEvent);
    const refused = events.filter(({ responseStatus }) => responseStatus?.code === 403);
    context.diagnostic(`${events.length} requests of cloudcore, ${refused.length} refused`);
    assert.ok(events.length > 50);
    assert.deepEqual(
      refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
      [],
    );
  },
);
