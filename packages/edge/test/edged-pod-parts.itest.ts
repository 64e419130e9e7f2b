import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ContainerConfig, PodSandboxConfig } from "@kedge/cri";
import type { ConfigMap, Container, Pod, Secret } from "@kedge/kube";
import { MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { makeEnvironment } from "../src/edged/env/make-environment.ts";
import { PodObjects } from "../src/edged/env/pod-objects.ts";
import { writeEtcHosts } from "../src/edged/network/etc-hosts.ts";
import { podHostname } from "../src/edged/network/pod-hostname.ts";
import { parseCgroupHierarchies } from "../src/edged/resources/cgroup-hierarchies.ts";
import { CgroupManager } from "../src/edged/resources/cgroup-manager.ts";
import { linuxResources, sandboxResources } from "../src/edged/resources/linux-resources.ts";
import { containerSecurityContext } from "../src/edged/security/container-security-context.ts";
import { sandboxSecurityContext } from "../src/edged/security/sandbox-security-context.ts";
import { etcHostsPath } from "../src/edged/volumes/pod-directory.ts";
import { VolumeManager } from "../src/edged/volumes/volume-manager.ts";

const TIMEOUT_MS = 60_000;
const uid = randomUUID();
const container: Container = {
  name: "app",
  image: TEST_IMAGE,
  command: ["sleep", "1000"],
  env: [
    { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
    { name: "PASS", valueFrom: { secretKeyRef: { name: "login", key: "pass" } } },
    { name: "LIMIT", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
    { name: "BOTH", value: "$(COLOR)-$(POD)" },
  ],
  envFrom: [{ configMapRef: { name: "settings" }, prefix: "CM_" }],
  resources: { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "200m", memory: "64Mi" } },
  securityContext: {
    runAsUser: 1000,
    runAsGroup: 1001,
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  },
  volumeMounts: [
    { name: "conf", mountPath: "/conf" },
    { name: "login", mountPath: "/login" },
    { name: "scratch", mountPath: "/scratch" },
    { name: "memory", mountPath: "/memory" },
    { name: "scratch", mountPath: "/part", subPath: "deep/part" },
    { name: "access", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
  ],
};
const pod: Pod = {
  metadata: { name: "web", namespace: "shop", uid, labels: { app: "web" } },
  spec: {
    containers: [container],
    serviceAccountName: "default",
    securityContext: { fsGroup: 2000, supplementalGroups: [3000] },
    hostAliases: [{ ip: "1.2.3.4", hostnames: ["far.example"] }],
    volumes: [
      { name: "conf", configMap: { name: "settings" } },
      { name: "login", secret: { secretName: "login", defaultMode: 0o400 } },
      { name: "scratch", emptyDir: {} },
      { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "4Mi" } },
      {
        name: "access",
        projected: {
          sources: [
            { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
            { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
          ],
        },
      },
    ],
  },
};

test(
  "a pod has its cgroup, files, environment and rights in a real runtime",
  {
    skip: TestContainerd.missing(),
    timeout: TIMEOUT_MS,
  },
  async () => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await using scope = new AsyncDisposableStack();
    const configMaps: Record<string, ConfigMap> = { settings: { data: { color: "blue" } } };
    const secrets: Record<string, Secret> = { login: { data: { pass: Buffer.from("s3cret").toString("base64") } } };
    const bus = new MessageBus<EdgeMessages, EdgeNotices>();
    bus.handle("meta/getConfigMap", ({ name }) => configMaps[name]);
    bus.handle("meta/getSecret", ({ name }) => secrets[name]);
    bus.handle("meta/requestToken", ({ token }) => ({
      ...token,
      status: { token: "a.b.c", expirationTimestamp: new Date(Date.now() + 3_600_000).toISOString() },
    }));

    const containerd = scope.use(await TestContainerd.start());
    const { runtime, images } = containerd.client;
    const rootDirectory = join(containerd.root, "kubelet");
    mkdirSync(rootDirectory);
    const allocatable = { cpu: "2", memory: "1Gi" };
    const node = { name: "edge-1", node: () => undefined };
    const deps = { bus, logger: silentLogger, clock: systemClock, node };
    const volumes = scope.use(await VolumeManager.open({ rootDirectory, allocatable: () => allocatable }, deps));
    scope.defer(() => volumes.release(uid, AbortSignal.timeout(10_000)));
    const cgroups = await CgroupManager.detect({ driver: "cgroupfs", cgroupRoot: `/kedge-itest-${process.pid}` });
    scope.defer(() => cgroups.removeAll());
    await cgroups.ensureRoot(allocatable);

    // As Edged does it: cgroup, volumes, sandbox, container.
    const cgroupParent = await cgroups.ensurePod(pod);
    await volumes.prepare(pod, signal);
    const machine = { memoryCapacityBytes: 8 * 1024 ** 3, cgroupVersion: cgroups.version };
    const sandboxConfig: PodSandboxConfig = {
      metadata: { name: "web", namespace: "shop", uid, attempt: 0 },
      hostname: podHostname(pod, "cluster.local").kernelHostname,
      logDirectory: join(containerd.root, "logs"),
      linux: { cgroupParent, securityContext: sandboxSecurityContext(pod), resources: sandboxResources(pod, machine) },
    };
    const sandbox = await runtime.runPodSandbox(sandboxConfig, "", signal);
    scope.defer(async () => {
      await runtime.stopPodSandbox(sandbox, AbortSignal.timeout(20_000));
      await runtime.removePodSandbox(sandbox, AbortSignal.timeout(20_000));
    });
    const podIP = (await runtime.podSandboxStatus(sandbox, signal))?.network?.ip ?? "";
    const hosts = etcHostsPath(rootDirectory, uid);
    await writeEtcHosts(hosts, pod, [podIP], podHostname(pod, "cluster.local"));
    const objects = new PodObjects(bus, "shop", signal);
    const facts = { nodeName: "edge-1", hostIPs: ["10.0.0.1"], podIPs: [podIP], allocatable, objects };
    const environment = await makeEnvironment(pod, container, { ...facts, logger: silentLogger });
    const image = await images.imageStatus(TEST_IMAGE, signal);
    assert.ok(image);
    const config: ContainerConfig = {
      metadata: { name: "app", attempt: 0 },
      image: { image: image.id },
      command: container.command ?? [],
      envs: environment.map(({ name, value }) => ({ key: name, value: Buffer.from(value) })),
      mounts: [
        ...(await volumes.mountsFor(pod, container, environment, signal)),
        { containerPath: "/etc/hosts", hostPath: hosts },
      ],
      logPath: "app/0.log",
      linux: {
        resources: linuxResources(pod, container, machine),
        securityContext: containerSecurityContext(pod, container, {}, { profileDirectory: "/nowhere" }),
      },
    };
    mkdirSync(join(containerd.root, "logs/app"), { recursive: true });
    const id = await runtime.createContainer(sandbox, config, sandboxConfig, signal);
    await runtime.startContainer(id, signal);
    const sh = async (script: string): Promise<string> => {
      const { stdout, stderr } = await runtime.execSync(id, ["sh", "-c", script], 10, signal);
      return (Buffer.from(stdout).toString() + Buffer.from(stderr).toString()).trim();
    };

    assert.equal(
      await sh("echo $COLOR $PASS $LIMIT $BOTH $CM_color $KUBERNETES_SERVICE_HOST"),
      "blue s3cret 64 blue-$(POD) blue",
    );
    assert.equal(await sh("id -u; id -G; hostname"), "1000\n1001 2000 3000\nweb");
    assert.match(await sh("touch /x"), /Read-only file system/);
    assert.equal(await sh("grep -E 'CapEff|NoNewPrivs' /proc/self/status | cut -f2"), "0000000000000000\n1");
    assert.match(await sh("cat /etc/hosts"), new RegExp(`${podIP}\\tweb\\n[^]*1\\.2\\.3\\.4\\tfar\\.example`));

    assert.equal(
      await sh("cat /conf/color /login/pass /var/run/secrets/kubernetes.io/serviceaccount/token"),
      "blues3creta.b.c",
    );
    assert.match(await sh("touch /conf/x"), /Read-only file system/);
    assert.equal(
      await sh("echo hi > /part/file; cat /scratch/deep/part/file; stat -c '%a %g' /scratch"),
      "hi\n2777 2000",
    );
    assert.match(await sh("df -k /memory | tail -1"), /4096/);

    // What changes in the cluster shows in the running container.
    configMaps["settings"] = { data: { color: "red" } };
    await volumes.refresh(pod, signal);
    assert.equal(await sh("cat /conf/color"), "red");

    if (cgroups.version === 1) {
      const mounts = parseCgroupHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
      const value = (controller: string, path: string) => {
        const mountPoint = mounts.find(({ controllers }) => controllers.includes(controller))?.mountPoint ?? "";
        return readFileSync(join(mountPoint, path), "utf8").trim();
      };
      for (const path of [cgroupParent, join(cgroupParent, id)]) {
        assert.equal(value("memory", join(path, "memory.limit_in_bytes")), String(64 * 1024 ** 2));
        assert.equal(value("cpu", join(path, "cpu.shares")), "102");
        assert.equal(value("cpu", join(path, "cpu.cfs_quota_us")), "20000");
      }
      assert.equal(value("cpu", join(cgroupParent, id, "cgroup.procs")).split("\n").length, 1);
    }

    await runtime.stopContainer(id, 0, signal);
    await runtime.stopPodSandbox(sandbox, signal);
    await runtime.removePodSandbox(sandbox, signal);
    await volumes.release(uid, signal);
    await cgroups.removePod(uid);
    assert.equal(existsSync(join(rootDirectory, "pods", uid)), false);
    assert.deepEqual(await cgroups.podUids(), []);
  },
);
