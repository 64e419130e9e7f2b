import path from "node:path";
import {
  type Device,
  DEVICE_MODELS,
  DEVICE_STATUSES,
  type DeviceModel,
  DEVICES,
  type DeviceStatus,
  loadCloudCoreConfig,
} from "@kedge/api";
import type { KubeObject, ObjectKey, ResourceType } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import type { Message } from "@kedge/protocol";
import { deferred, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { TestKubernetes } from "@kedge/testing";
import type { CloudMessages, CloudNotices, UpstreamMessage } from "../src/cloud-messages.ts";
import { DeviceController } from "../src/devicecontroller/devicecontroller.ts";

export const CRDS = path.join(import.meta.dirname, "../../../manifests/crds");

/** DeviceController on a real API server, with a recording hub. Each harness has a namespace of its own. */
export class DeviceControllerHarness implements AsyncDisposable {
  readonly bus = new MessageBus<CloudMessages, CloudNotices>();
  readonly kube: KubeClient;
  readonly namespace: string;
  readonly #scope = new AsyncDisposableStack();
  readonly #sent: Message[] = [];
  readonly #statuses: Informer<DeviceStatus>;
  #wake = deferred();
  controller: DeviceController | undefined;

  constructor(kubernetes: TestKubernetes, namespace: string) {
    this.kube = this.#scope.use(kubernetes.connect());
    this.namespace = namespace;
    this.#statuses = this.#scope.use(new Informer<DeviceStatus>(this.kube, DEVICE_STATUSES, { namespace }));
    this.#scope.use(
      this.bus.handle("hub/send", (message) => {
        this.#sent.push(message);
        this.#wake.resolve();
        this.#wake = deferred();
      }),
    );
  }

  async start(): Promise<void> {
    const { config } = loadCloudCoreConfig("", { hostname: "cloud", localIP: "127.0.0.1" });
    const deps = { kube: this.kube, bus: this.bus, logger: silentLogger, clock: systemClock };
    const signal = AbortSignal.timeout(20_000);
    this.controller = this.#scope.use(await DeviceController.start(config.modules.deviceController, deps, signal));
  }

  /** Nodes are not in namespaces, so each harness has its own: other tests' devices must not come along. */
  node(name: string): string {
    return `${this.namespace}-${name}`;
  }

  connect(node: string): void {
    this.bus.notify("hub/session", { node: this.node(node), connected: true });
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const metadata = { ...object.metadata, namespace: this.namespace };
    return this.kube.create(type, { ...object, metadata }, AbortSignal.timeout(10_000));
  }

  device(name: string, node: string, model?: string, desired = "1"): Promise<Device> {
    return this.create(DEVICES, {
      metadata: { name, labels: { description: `the-${name}` } },
      spec: {
        nodeName: this.node(node),
        ...(model !== undefined && { deviceModelRef: { name: model } }),
        properties: [{ name: "t", desired: { value: desired } }, { name: "h" }],
      },
    });
  }

  model(name: string): Promise<DeviceModel> {
    return this.create(DEVICE_MODELS, {
      metadata: { name },
      spec: { protocol: "p", properties: [{ name: "t", type: "INT" }] },
    });
  }

  patch<T extends KubeObject>(type: ResourceType<T>, name: string, body: object): Promise<T> {
    return this.kube.patch(type, this.key(name), { type: "merge", body }, AbortSignal.timeout(10_000));
  }

  delete(type: ResourceType, name: string): Promise<void> {
    return this.kube.delete(type, this.key(name), AbortSignal.timeout(10_000));
  }

  key(name: string): ObjectKey {
    return { namespace: this.namespace, name };
  }

  /** Sends what an edge reports, and waits until it is dealt with. @returns the id of the message. */
  async report(
    node: string,
    device: string,
    kind: "twin/edge_updated" | "state/update",
    content: unknown,
    numbered?: UpstreamMessage["numbered"],
  ): Promise<string> {
    const id = crypto.randomUUID();
    const resource = device === "" ? "membership/detail" : `device/${this.namespace}/${device}/${kind}`;
    const message = {
      header: { msg_id: id, timestamp: 1 },
      route: { source: "twin", group: "resource", operation: "update", resource },
      content,
    };
    await this.bus.request(
      "device/upstream",
      { node: this.node(node), message, numbered },
      AbortSignal.timeout(20_000),
    );
    return id;
  }

  /** Resolves with the status once it is as wished. */
  async status(name: string, wished: (status: DeviceStatus) => boolean): Promise<DeviceStatus> {
    const found = deferred<DeviceStatus>();
    using _ = this.#statuses.onChange((_old, status) => {
      if (status?.metadata?.name === name && wished(status)) found.resolve(status);
    });
    return await found.promise;
  }

  /** The next message to the edge, `node operation resource`, without waiting for its confirmation. */
  async next(): Promise<Message> {
    while (this.#sent.length === 0) await this.#wake.promise;
    const message = this.#sent.shift();
    if (message === undefined) throw new Error("nothing sent");
    return message;
  }

  async nextLines(count: number): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < count) {
      const { route } = await this.next();
      lines.push(
        `${route.operation} ${route.resource}`
          .replaceAll(`${this.namespace}/`, "")
          .replaceAll(`${this.namespace}-`, ""),
      );
    }
    return lines;
  }

  get unread(): number {
    return this.#sent.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.disposeAsync();
  }
}
