import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { removeCgroups } from "@kedge/standalone";
import { freePort, TestContainerd, TestKubernetes, TestProcess } from "@kedge/testing";
import { waitForNode } from "../e2e/test-cloud.ts";
import { makeCgroup, TestEdgeNode } from "../e2e/test-edge-node.ts";
import { EdgeHost } from "../interop/edge-host.ts";
import { KUBELET_SETTINGS, type PodTarget } from "./pod-target.ts";

const VERSION = "v1.36.3";
const folder = process.env["KEDGE_KUBELET_ASSETS"] ?? join(homedir(), ".cache/kedge/kubelet", `bin-${VERSION}`);
const program = join(folder, "kubelet");

/** Why a stock kubelet cannot run here, or false: fits `skip` of `node:test`. */
export function missingKubelet(): string | false {
  if (!existsSync(program))
    return `no stock kubelet: ${program} missing; ./kedge node scripts/prepare-kubelet.ts builds it with Go`;
  return TestKubernetes.missing() || TestEdgeNode.missing();
}

/**
 * A stock kubelet with real Kubernetes. It writes to `/var/lib/kubelet` and `/var/log/containers` whatever it is told, and
 * sets kernel parameters: so it lives in a mount namespace of its own.
 */
export async function startKubelet(nodeName: string): Promise<PodTarget> {
  await using scope = new AsyncDisposableStack();
  const kubernetes = scope.use(await TestKubernetes.start({ controllerManager: true, scheduler: true }));
  const kube = scope.use(kubernetes.connect());
  const host = scope.use(await EdgeHost.create());
  const cgroup = `/kedge-test-${randomBytes(4).toString("hex")}`;
  scope.defer(() => removeCgroups(cgroup)); // after containerd has gone
  await makeCgroup(cgroup);
  const containerd = scope.use(await TestContainerd.start({ enter: host.enter }));
  const at = (...parts: string[]) => join(containerd.root, ...parts);
  const [manifests, podLogs, rootDirectory] = [at("manifests"), at("pod-logs"), at("kubelet")];
  await mkdir(manifests);
  const config = at("kubelet.yaml");
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      address: "127.0.0.1",
      port: await freePort(),
      healthzPort: 0,
      authentication: { anonymous: { enabled: false }, webhook: { enabled: false } },
      authorization: { mode: "AlwaysAllow" },
      failCgroupV1: false,
      cgroupDriver: "cgroupfs",
      cgroupRoot: cgroup,
      containerRuntimeEndpoint: containerd.endpoint,
      staticPodPath: manifests,
      podLogsDir: podLogs,
      volumePluginDir: at("volume-plugins"),
      makeIPTablesUtilChains: false,
      evictionHard: { "memory.available": "1Mi" }, // a machine under test may be full
      imageGCHighThresholdPercent: 100,
      ...KUBELET_SETTINGS,
    }),
  );
  const args = [
    `--kubeconfig=${await kubernetes.kubeconfigFor(`system:node:${nodeName}`, ["system:nodes"])}`,
    `--config=${config}`,
    `--hostname-override=${nodeName}`,
    `--root-dir=${rootDirectory}`,
    `--cert-dir=${at("pki")}`,
  ];
  // Agents under test refuse to run beside a process that is called `kubelet`.
  const alias = at("stock-agent");
  await symlink(program, alias);
  const [command = "", ...rest] = [...host.enter, alias, ...args];
  const start = () => TestProcess.start("kubelet", command, rest, at("kubelet.log"));
  let agent = start();
  scope.defer(() => agent[Symbol.asyncDispose]()); // the present one, whichever that is by then
  try {
    await Promise.race([
      waitForNode(kube, nodeName, "True"),
      agent.ended.then((how) => Promise.reject(new Error(how))),
    ]);
  } catch (error) {
    throw new Error(`the kubelet did not become ready:\n${agent.logTail()}`, { cause: error });
  }
  const owned = scope.move();
  return {
    kind: "kubelet",
    kube,
    nodeName,
    containerd,
    cgroup,
    podLogs,
    manifests,
    rootDirectory,
    get agentPid() {
      return agent.pid;
    },
    async restartAgent() {
      await agent.kill();
      agent = start();
    },
    logTail: () => agent.logTail(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
