import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NODES, SECRETS, SERVICE_ACCOUNTS } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { programCommand } from "@kedge/standalone";
import { freePort, TestKubernetes, type TestKubernetesOptions, TestProcess } from "@kedge/testing";
import { waitForObject } from "./wait-for-object.ts";

const root = join(import.meta.dirname, "../..");
process.env["KEDGE_ROOT"] ??= root; // the programs are bundles, as users run them
const READY_MS = 60_000;

export interface CloudPorts {
  readonly cloudHub: number;
  readonly https: number;
  readonly monitor: number;
  readonly tunnel: number;
  readonly stream: number;
}

/** The command that runs cloudcore with this configuration file. */
export type CloudProgram = (configFile: string) => readonly string[];

export const OUR_CLOUD: CloudProgram = (configFile) => [...programCommand("cloudcore"), "--config", configFile];

/** A Kubernetes API with cloudcore on it; cloudcore can be killed and started again. */
export interface TestCloud extends AsyncDisposable {
  readonly kube: KubeClient;
  readonly kubeconfig: string;
  /** Where edges reach it. */
  readonly address: string;
  readonly ports: CloudPorts;
  /** What an edge joins with. */
  token(): Promise<string>;
  /** SIGKILL; with the embedded control plane the API goes, too. */
  kill(): Promise<void>;
  /**
   * Resolves once the API answers and the token is there.
   *
   * @param program on real Kubernetes, another than until now: it finds configuration, certificates and the cluster's state.
   */
  start(program?: CloudProgram): Promise<void>;
  readonly pid: number | undefined;
  logTail(): string;
}

/**
 * @param address on which CloudHub listens: loopback, or all for nodes in network namespaces of their own.
 * @param node the one on this machine; the embedded control plane gives its directories to claims.
 */
export type StartCloud = (dir: string, address: string, node?: string) => Promise<TestCloud>;

function writeCloudConfig(dir: string, address: string, ports: CloudPorts, kubeconfig: string): string {
  const file = join(dir, "cloudcore.yaml");
  const pki = join(dir, "pki");
  const config = {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: `127.0.0.1:${ports.monitor}` } },
    kubeAPIConfig: { kubeConfig: kubeconfig },
    modules: {
      cloudHub: {
        advertiseAddress: ["127.0.0.1", address],
        dnsNames: ["localhost"],
        tlsCAFile: join(pki, "rootCA.crt"),
        tlsCAKeyFile: join(pki, "rootCA.key"),
        tlsCertFile: join(pki, "server.crt"),
        tlsPrivateKeyFile: join(pki, "server.key"),
        websocket: { address: "0.0.0.0", port: ports.cloudHub },
        https: { address: "0.0.0.0", port: ports.https },
        unixsocket: { enable: false },
      },
      cloudStream: {
        address: "0.0.0.0", // an API server proxies no requests to loopback
        tlsTunnelCAFile: join(pki, "rootCA.crt"),
        tlsTunnelCertFile: join(pki, "server.crt"),
        tlsTunnelPrivateKeyFile: join(pki, "server.key"),
        tunnelPort: ports.tunnel,
        streamPort: ports.stream,
      },
      iptablesManager: { enable: false },
    },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

class ProcessCloud implements TestCloud {
  readonly address: string;
  readonly ports: CloudPorts;
  readonly kubeconfig: string;
  readonly #configFile: string;
  readonly #logFile: string;
  readonly #scope: AsyncDisposableStack;
  #program: CloudProgram;
  #process: TestProcess | undefined;
  #kube: KubeClient | undefined;

  constructor(
    facts: { address: string; ports: CloudPorts; kubeconfig: string; configFile: string; logFile: string },
    program: CloudProgram,
    scope: AsyncDisposableStack,
  ) {
    this.address = facts.address;
    this.ports = facts.ports;
    this.kubeconfig = facts.kubeconfig;
    this.#configFile = facts.configFile;
    this.#logFile = facts.logFile;
    this.#program = program;
    this.#scope = scope;
  }

  get kube(): KubeClient {
    if (this.#kube === undefined) throw new Error("the cloud was not started");
    return this.#kube;
  }

  async start(program: CloudProgram = this.#program): Promise<void> {
    this.#program = program;
    const [command = "", ...args] = program(this.#configFile);
    this.#process = TestProcess.start("cloud", command, args, this.#logFile);
    await Promise.race([this.#ready(), this.#process.ended.then((how) => Promise.reject(new Error(how)))]).catch(
      (error: unknown) => {
        throw new Error(`the cloud did not become ready:\n${this.logTail()}`, { cause: error });
      },
    );
  }

  async #ready(): Promise<void> {
    this.#kube ??= connectKube(await this.#readKubeconfig());
    await this.token();
    // Pods are refused before their account exists.
    await waitForObject(this.#kube, SERVICE_ACCOUNTS, { namespace: "default", name: "default" }, Boolean);
  }

  /** The embedded control plane writes it at its first start. */
  async #readKubeconfig() {
    const signal = AbortSignal.timeout(READY_MS);
    for (;;) {
      try {
        return loadKubeconfig(this.kubeconfig);
      } catch (error) {
        if (signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20)); // another process writes it: nothing tells us when
      }
    }
  }

  token(): Promise<string> {
    const key = { namespace: "kubeedge", name: "tokensecret" };
    return waitForObject(this.kube, SECRETS, key, (secret) => {
      const data = secret?.data?.["tokendata"];
      return data === undefined ? undefined : Buffer.from(data, "base64").toString();
    });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#process = undefined;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  logTail(): string {
    return this.#process?.logTail() ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    await this.#kube?.[Symbol.asyncDispose]();
    await this.#scope.disposeAsync();
  }
}

async function ports(): Promise<CloudPorts> {
  return {
    cloudHub: await freePort(),
    https: await freePort(),
    monitor: await freePort(),
    tunnel: await freePort(),
    stream: await freePort(),
  };
}

/** API server, controllers and cloudcore of ours in one process. */
export const startEmbeddedCloud: StartCloud = async (dir, address, node) => {
  const kubeconfig = join(dir, "admin.kubeconfig");
  const cloudPorts = await ports();
  const apiPort = String(await freePort());
  const program: CloudProgram = (file) => [
    ...programCommand("kedge"),
    "control-plane",
    "--state-dir",
    dir,
    "--api-port",
    apiPort,
    "--config",
    file,
    ...(node === undefined ? [] : ["--volumes-of", node]),
  ];
  const configFile = writeCloudConfig(dir, address, cloudPorts, kubeconfig);
  const facts = { address, ports: cloudPorts, kubeconfig, configFile, logFile: join(dir, "cloud.log") };
  const cloud = new ProcessCloud(facts, program, new AsyncDisposableStack());
  await cloud.start();
  return cloud;
};

/**
 * Real Kubernetes with its own controllers and scheduler, and cloudcore as a program of its own.
 *
 * @param crds folder of the CustomResourceDefinitions to install.
 * @param options of Kubernetes itself.
 */
export function kubernetesCloud(
  program: CloudProgram,
  crds = join(root, "manifests/crds"),
  options: TestKubernetesOptions = {},
): StartCloud {
  return async (dir, address) => {
    await using scope = new AsyncDisposableStack();
    const kubernetes = scope.use(await TestKubernetes.start({ controllerManager: true, scheduler: true, ...options }));
    await kubernetes.kubectl("apply", "--recursive", "-f", crds);
    const cloudPorts = await ports();
    const kubeconfig = kubernetes.adminKubeconfig;
    const configFile = writeCloudConfig(dir, address, cloudPorts, kubeconfig);
    const facts = { address, ports: cloudPorts, kubeconfig, configFile, logFile: join(dir, "cloud.log") };
    const cloud = new ProcessCloud(facts, program, scope.move());
    try {
      await cloud.start();
    } catch (error) {
      await cloud[Symbol.asyncDispose]();
      throw error;
    }
    return cloud;
  };
}

export const startKubernetesCloud: StartCloud = kubernetesCloud(OUR_CLOUD);

/** Resolves when the node's Ready condition has this status. */
export function waitForNode(
  kube: KubeClient,
  name: string,
  ready: "True" | "Unknown",
  timeoutMs?: number,
): Promise<true> {
  return waitForObject(
    kube,
    NODES,
    { name },
    (node) => node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === ready) === true,
    timeoutMs,
  );
}
