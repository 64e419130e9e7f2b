import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import {
  applyStrategicMergePatch,
  type ConfigMap,
  type Event,
  KubeApiError,
  keyOf,
  type ObjectKey,
  type Pod,
  POD_STATUS_PATCH_SCHEMA,
  type PodSpec,
  type RuntimeClass,
  type Secret,
} from "@kedge/kube";
import { type Clock, type Logger, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { TEST_IMAGE, type TestContainerd } from "@kedge/testing";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EDGED_CONFIG_DEFAULTS, type EdgedConfig } from "../src/edged/edged-config.ts";
import type { NodeFacts } from "../src/edged/edged-parts.ts";
import type { NodeHealth } from "../src/edged/node/node-conditions.ts";
import { Edged } from "../src/edged/edged.ts";

export const NODE_NAME = "edge-1";
export const HOST_IP = "192.0.2.10";

/** Stands in for MetaManager and the cloud: keeps pods as an API server does, and remembers what it was told. */
export class TestMeta {
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly pods = new Map<string, Pod>();
  readonly configMaps = new Map<string, ConfigMap>();
  readonly secrets = new Map<string, Secret>();
  readonly runtimeClasses = new Map<string, RuntimeClass>();
  readonly events: Event[] = [];
  readonly patches: { readonly key: ObjectKey; readonly patch: string }[] = [];
  readonly deletions: ObjectKey[] = [];
  /** While true, whatever needs the cloud fails. */
  offline = false;
  readonly #watchers = new Set<() => void>();
  #listTried: (() => void) | undefined;

  constructor() {
    const { bus } = this;
    bus.handle("meta/list", ({ type }) => {
      this.#listTried?.();
      if (this.#listTried !== undefined) throw new Error("the store is not open yet");
      return type === "pod" ? [...this.pods.values()] : [];
    });
    bus.handle("meta/getPod", (key) => this.pods.get(text(key)));
    bus.handle("meta/getConfigMap", (key) => this.configMaps.get(text(key)));
    bus.handle("meta/getSecret", (key) => this.secrets.get(text(key)));
    bus.handle("meta/getRuntimeClass", ({ name }) => this.runtimeClasses.get(name));
    bus.handle("meta/sendEvent", ({ event }) => this.#tell(() => this.events.push(event)));
    bus.handle("meta/patchPodStatus", ({ key, patch }) => this.#patch(key, patch));
    bus.handle("meta/createPod", (pod) => {
      this.#needCloud();
      if (this.pods.has(keyOf(pod))) throw new KubeApiError({ code: 409, reason: "AlreadyExists" });
      return this.apply(pod);
    });
    bus.handle("meta/deletePod", ({ key, options }) => {
      this.#needCloud();
      const pod = this.pods.get(text(key));
      if (pod === undefined || pod.metadata?.uid !== options.preconditions?.uid) return;
      this.deletions.push(key);
      this.remove(key);
    });
  }

  /** Stores the pod and tells of it; without a uid it gets a new one. */
  apply(pod: Pod): Pod {
    const stored = structuredClone(pod);
    stored.metadata = { namespace: "default", uid: randomUUID(), ...stored.metadata };
    this.pods.set(keyOf(stored), stored);
    this.#changed(stored.metadata);
    return stored;
  }

  /** As an API server on `kubectl delete`: the object stays until the node has ended the pod. */
  delete(key: ObjectKey, graceSeconds = 30): void {
    const pod = this.pods.get(text(key));
    if (pod?.metadata === undefined) return;
    const metadata = {
      ...pod.metadata,
      deletionTimestamp: "2026-01-01T00:00:00Z",
      deletionGracePeriodSeconds: graceSeconds,
    };
    this.pods.set(text(key), { ...pod, metadata });
    this.#changed(key);
  }

  /** The object is gone. */
  remove(key: ObjectKey): void {
    this.pods.delete(text(key));
    this.#changed(key);
  }

  /** Until disposed, nobody is told which pods there are. `tried` resolves once somebody has asked. */
  failLists(): Disposable & { readonly tried: Promise<void> } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#listTried = resolve;
    return { tried: promise, [Symbol.dispose]: () => (this.#listTried = undefined) };
  }

  setConfigMap(configMap: ConfigMap): void {
    this.configMaps.set(keyOf(configMap), configMap);
    const { namespace, name = "" } = configMap.metadata ?? {};
    this.bus.notify("meta/objectChanged", { type: "configmap", key: { namespace, name } });
  }

  get(name: string): Pod | undefined {
    return this.pods.get(`default/${name}`);
  }

  /** Resolves once `isTrue`, looking whenever something is told. @throws after `timeoutMs` with what there is instead. */
  async until<T>(isTrue: () => T | undefined | false, timeoutMs = 20_000): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = () => {
      const result = isTrue();
      if (result !== undefined && result !== false) resolve(result);
    };
    const timer = setTimeout(() => {
      const pods = [...this.pods.values()].map(({ metadata, status }) => ({ name: metadata?.name, status }));
      const events = this.events.map(({ reason, message }) => `${reason}: ${message}`);
      reject(
        new Error(`not within ${timeoutMs} ms: ${isTrue.toString()}\n${JSON.stringify({ pods, events }, null, 1)}`),
      );
    }, timeoutMs);
    this.#watchers.add(look);
    try {
      look();
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  untilPhase(name: string, phase: string): Promise<Pod> {
    return this.until(() => {
      const pod = this.get(name);
      return pod?.status?.phase === phase ? pod : undefined;
    });
  }

  untilReady(name: string): Promise<Pod> {
    return this.until(() => {
      const pod = this.get(name);
      return pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")
        ? pod
        : undefined;
    });
  }

  untilGone(name: string): Promise<true> {
    return this.until(() => this.get(name) === undefined || undefined);
  }

  #patch(key: ObjectKey, patch: string): Pod {
    this.#needCloud();
    const pod = this.pods.get(text(key));
    const body = JSON.parse(patch) as { metadata: { uid: string } };
    if (pod === undefined) throw notFound(key);
    if (body.metadata.uid !== pod.metadata?.uid)
      throw new KubeApiError({ code: 409, reason: "Conflict", message: "uid precondition failed" });
    this.patches.push({ key, patch });
    const patched = applyStrategicMergePatch(pod, body, POD_STATUS_PATCH_SCHEMA);
    this.#tell(() => this.pods.set(text(key), patched));
    this.#changed(key);
    return patched;
  }

  #needCloud(): void {
    if (this.offline) throw new Error("not connected");
  }

  #changed(key: { readonly namespace?: string | undefined; readonly name?: string | undefined }): void {
    this.bus.notify("meta/podChanged", { key: { namespace: key.namespace, name: key.name ?? "" } });
    this.#tell(() => undefined);
  }

  #tell(change: () => unknown): void {
    change();
    for (const look of this.#watchers) look();
  }
}

function text({ namespace = "", name }: ObjectKey): string {
  return `${namespace}/${name}`;
}

function notFound({ name }: ObjectKey): KubeApiError {
  return new KubeApiError({ code: 404, reason: "NotFound", message: `pods "${name}" not found` });
}

/** A pod of one container of the test image. */
export function podOf(name: string, script: string, spec: Partial<PodSpec> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: randomUUID(), labels: { app: name } },
    spec: {
      nodeName: NODE_NAME,
      terminationGracePeriodSeconds: 2,
      enableServiceLinks: true,
      dnsPolicy: "Default",
      securityContext: {},
      containers: [{ name: "app", image: TEST_IMAGE, command: ["sh", "-c", script] }],
      ...spec,
    },
  };
}

/** Runs until it is told to end, and then ends at once. */
export const SERVE = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done";

export interface TestEdged extends AsyncDisposable {
  readonly meta: TestMeta;
  readonly config: EdgedConfig;
  /** The one that runs now. @throws when it is stopped. */
  running(): Edged;
  /** As if the agent had been restarted: state on disk and in the runtime stays. */
  restart(overrides?: Partial<EdgedConfig>): Promise<void>;
  nodeHealth(): NodeHealth | undefined;
  stop(): Promise<void>;
}

/** Edged on a containerd of the test's own, in directories and cgroups of its own. */
export async function startTestEdged(
  containerd: TestContainerd,
  options: Partial<EdgedConfig> & {
    readonly clock?: Clock;
    readonly logger?: Logger;
    readonly meta?: TestMeta;
    readonly node?: Partial<NodeFacts>;
  } = {},
): Promise<TestEdged> {
  const {
    clock = systemClock,
    logger = silentLogger,
    meta = new TestMeta(),
    node: nodeOptions,
    ...overrides
  } = options;
  const root = await mkdtemp(join(containerd.root, "edged-"));
  const config: EdgedConfig = {
    ...EDGED_CONFIG_DEFAULTS,
    nodeName: NODE_NAME,
    rootDirectory: join(root, "kubelet"),
    podLogsDirectory: join(root, "pod-logs"),
    containerLogsDirectory: join(root, "container-logs"),
    runtimeEndpoint: containerd.endpoint,
    imageEndpoint: containerd.endpoint,
    reportEvent: true,
    cgroupRoot: `/${containerd.bridge}`,
    ...overrides,
  };
  await mkdir(config.rootDirectory);
  const node: NodeFacts = {
    name: NODE_NAME,
    memoryCapacityBytes: 4 * 1024 ** 3,
    hostIPs: () => [HOST_IP],
    allocatable: () => ({ cpu: "4", memory: "4Gi", pods: "110", "ephemeral-storage": "10Gi" }),
    podsLimit: () => ({ cpu: "4", memory: "4Gi" }),
    node: () => undefined,
    ...nodeOptions,
  };
  const start = (used = config) =>
    Edged.start(used, { cri: containerd.client, bus: meta.bus, logger, clock, node }, AbortSignal.timeout(10_000));
  let edged: Edged | undefined = await start();
  const stop = async () => {
    await edged?.[Symbol.asyncDispose]();
    edged = undefined;
  };
  return {
    meta,
    config,
    stop,
    running() {
      if (edged === undefined) throw new Error("Edged is stopped");
      return edged;
    },
    nodeHealth: () => edged?.housekeeping.health,
    async restart(overridden = {}) {
      await stop();
      edged = await start({ ...config, ...overridden });
    },
    async [Symbol.asyncDispose]() {
      await stop();
      const { runtime } = containerd.client;
      const signal = AbortSignal.timeout(20_000);
      // What was just about to start cannot be removed yet: it goes with its containerd.
      await Promise.allSettled(
        (await runtime.listPodSandboxes({}, signal)).map(async ({ id }) => {
          await runtime.stopPodSandbox(id, signal);
          await runtime.removePodSandbox(id, signal);
        }),
      );
    },
  };
}
