import { writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ContainerState } from "@kedge/cri";
import { programCommand, removeCgroups } from "@kedge/standalone";
import { freePort, inNetns, TestContainerd, TestProcess } from "@kedge/testing";
import type { TestCloud } from "./test-cloud.ts";

const WAIT_MS = 30_000;
const POLL_MS = 50;
const CGROUPS = "/sys/fs/cgroup";

/** What an edge must know of a cloud to join it. */
export type JoinedCloud = Pick<TestCloud, "address" | "ports" | "token">;

/** The command that runs an agent with this configuration file. */
export type EdgeProgram = (configFile: string) => readonly string[];

export const OUR_EDGE: EdgeProgram = (configFile) => [...programCommand("edgecore"), "--config", configFile];

export interface EdgeNodeOptions {
  readonly name: string;
  /** Default: {@link OUR_EDGE}. */
  readonly program?: EdgeProgram;
  /** Runs containerd and agent in this network namespace. */
  readonly netns?: string;
  /** A command that runs another in further namespaces; containerd and agent live in there. */
  readonly enter?: readonly string[];
  readonly mqtt?: { readonly mode: 0 | 1 | 2; readonly external?: string };
  /** Further values of `edgeHub` and `tailoredKubeletConfig` in the configuration file. */
  readonly edgeHub?: Readonly<Record<string, unknown>>;
  readonly kubelet?: Readonly<Record<string, unknown>>;
}

/** An edge host: a containerd and an agent. The agent can be killed and started again; containers go on. */
export class TestEdgeNode implements AsyncDisposable {
  readonly name: string;
  readonly containerd: TestContainerd;
  /** The internal MQTT broker. */
  readonly mqttUrl: string;
  /** Where the agent tells how it is. */
  readonly healthUrl: string;
  readonly kubelet: string;
  /** The folder of static pods. */
  readonly manifests: string;
  /** Where the agent makes its pods' cgroups. */
  readonly cgroup: string;
  readonly podLogs: string;
  readonly #config: string;
  readonly #logFile: string;
  readonly #enter: readonly string[];
  #program: EdgeProgram;
  #agent: TestProcess | undefined;

  private constructor(options: EdgeNodeOptions, containerd: TestContainerd, ports: { mqtt: number; health: number }) {
    this.name = options.name;
    this.containerd = containerd;
    this.mqttUrl = `mqtt://127.0.0.1:${ports.mqtt}`;
    this.healthUrl = `http://127.0.0.1:${ports.health}`;
    this.kubelet = join(containerd.root, "kubelet");
    this.manifests = join(containerd.root, "manifests");
    this.#config = join(containerd.root, "edgecore.yaml");
    this.cgroup = `/kedge-test-${containerd.bridge}`;
    this.podLogs = join(containerd.root, "pod-logs");
    this.#logFile = join(containerd.root, "edgecore.log");
    this.#enter = [...(options.enter ?? []), ...inNetns(options.netns, [])];
    this.#program = options.program ?? OUR_EDGE;
  }

  static missing(): string | false {
    return TestContainerd.missing();
  }

  /** Starts containerd and the agent, which joins `cloud` with its token. */
  static async join(cloud: JoinedCloud, options: EdgeNodeOptions): Promise<TestEdgeNode> {
    await using scope = new AsyncDisposableStack();
    const { netns, enter } = options;
    const containerd = scope.use(
      await TestContainerd.start({ ...(netns !== undefined && { netns }), ...(enter !== undefined && { enter }) }),
    );
    const ports = { mqtt: await freePort(), health: await freePort() };
    const node = scope.use(new TestEdgeNode(options, containerd, ports));
    await node.#writeConfig(cloud, options, ports);
    if (options.program !== undefined) await makeCgroup(node.cgroup); // ours makes it itself
    await node.startAgent();
    scope.move();
    return node;
  }

  async #writeConfig(
    cloud: JoinedCloud,
    options: EdgeNodeOptions,
    ports: { readonly mqtt: number; readonly health: number },
  ): Promise<void> {
    const at = (...parts: string[]) => join(this.containerd.root, ...parts);
    await mkdir(this.manifests, { recursive: true });
    const config = {
      apiVersion: "edgecore.config.kubeedge.io/v1alpha2",
      kind: "EdgeCore",
      database: { dataSource: at("edgecore.db") },
      modules: {
        edged: {
          hostnameOverride: options.name,
          nodeIP: options.netns === undefined ? "127.0.0.1" : "",
          reportEvent: true,
          rootDirectory: this.kubelet,
          tailoredKubeletConfig: {
            containerRuntimeEndpoint: this.containerd.endpoint,
            imageServiceEndpoint: this.containerd.endpoint,
            podLogsDir: this.podLogs,
            staticPodPath: this.manifests,
            cgroupRoot: this.cgroup,
            readOnlyPort: ports.health,
            volumePluginDir: at("volume-plugins"),
            makeIPTablesUtilChains: false,
            ...options.kubelet,
          },
        },
        edgeHub: {
          tlsCaFile: at("pki", "rootCA.crt"),
          tlsCertFile: at("pki", "server.crt"),
          tlsPrivateKeyFile: at("pki", "server.key"),
          httpServer: `https://${cloud.address}:${cloud.ports.https}`,
          websocket: { server: `${cloud.address}:${cloud.ports.cloudHub}` },
          token: await cloud.token(),
          ...options.edgeHub,
        },
        edgeStream: {
          enable: true,
          server: `${cloud.address}:${cloud.ports.tunnel}`,
          tlsTunnelCAFile: at("pki", "rootCA.crt"),
          tlsTunnelCertFile: at("pki", "server.crt"),
          tlsTunnelPrivateKeyFile: at("pki", "server.key"),
        },
        eventBus: {
          mqttMode: options.mqtt?.mode ?? 0,
          mqttServerInternal: `tcp://127.0.0.1:${ports.mqtt}`,
          ...(options.mqtt?.external !== undefined && { mqttServerExternal: options.mqtt.external }),
        },
        deviceTwin: { dmiSockPath: `${this.containerd.root}/` },
      },
    };
    writeFileSync(this.#config, JSON.stringify(config), { mode: 0o600 });
  }

  /** @param program another than until now: it finds configuration, certificates, database and containers. */
  async startAgent(program: EdgeProgram = this.#program): Promise<void> {
    this.#program = program;
    const [command = "", ...args] = [...this.#enter, ...program(this.#config)];
    this.#agent = TestProcess.start(`edgecore ${this.name}`, command, args, this.#logFile);
    await Promise.resolve();
  }

  /** SIGKILL; containers go on. */
  async killAgent(): Promise<void> {
    await this.#agent?.kill();
    this.#agent = undefined;
  }

  /** As if the plug were pulled: nothing of agent, containers and containerd goes on, but for what is on disk. */
  async pullPlug(): Promise<void> {
    await this.killAgent();
    await this.containerd.pullPlug();
  }

  /** Boots again after {@link pullPlug}. */
  async boot(): Promise<void> {
    await this.containerd.startDaemon();
    await this.startAgent();
  }

  get agentPid(): number | undefined {
    return this.#agent?.pid;
  }

  /** Resolves once a container with these labels runs. */
  async containerStarts(labels: Record<string, string>): Promise<void> {
    await this.#untilContainers(labels, (running) => running > 0);
  }

  /** Resolves once no container with these labels runs. */
  async containersGone(labels: Record<string, string>): Promise<void> {
    await this.#untilContainers(labels, (running) => running === 0);
  }

  async #untilContainers(labels: Record<string, string>, accept: (running: number) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_MS);
    for (;;) {
      const containers = await this.containerd.client.runtime.listContainers(labels, signal);
      const running = containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING).length;
      if (accept(running)) return;
      await delay(POLL_MS, undefined, { signal }); // the runtime's stream of events does not tell when it has begun
    }
  }

  logTail(): string {
    return this.#agent?.logTail() ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    await this.containerd[Symbol.asyncDispose]();
    await removeCgroups(this.cgroup);
  }
}

/** In every hierarchy of this machine. */
export async function makeCgroup(cgroup: string): Promise<void> {
  const hierarchies = await readdir(CGROUPS, { withFileTypes: true });
  for (const { name } of hierarchies.filter((entry) => entry.isDirectory()))
    await mkdir(join(CGROUPS, name, cgroup), { recursive: true });
}
