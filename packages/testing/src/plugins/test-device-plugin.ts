import { join } from "node:path";
import {
  create,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { type DeviceServices, loadDeviceServices } from "@kedge/cri";
import { TestGrpcServer } from "./grpc-server.ts";

type Service = DeviceServices["DevicePluginApi"];
type Input<M extends keyof Service["method"]> = MessageShape<Service["method"][M]["input"]>;
type Allocation = NonNullable<MessageInitShape<Service["method"]["allocate"]["output"]>["containerResponses"]>[number];

export interface TestDevicePluginOptions {
  /** The kubelet's plugin directory. */
  readonly directory: string;
  /** `example.com/gpu` */
  readonly resource: string;
  /** Name of its socket in there. */
  readonly endpoint?: string;
  readonly version?: string;
  /** Wants to know of each container that starts. */
  readonly preStart?: boolean;
  /** Which of the available devices it prefers; absent: it does not mind. */
  readonly prefer?: (available: readonly string[], size: number) => readonly string[];
  /** Default: an environment variable `DEVICES` that names them. @throws what the pod shall be told */
  readonly allocate?: (ids: readonly string[]) => Allocation;
}

export interface TestDevice {
  readonly healthy: boolean;
  readonly node?: number;
}

/** A device plugin as vendors write them, on gRPC's own implementation. */
export class TestDevicePlugin implements AsyncDisposable {
  /** What it was asked, in order: `allocate gpu-0,gpu-1`. */
  readonly calls: string[] = [];
  readonly #options: TestDevicePluginOptions;
  readonly #services: DeviceServices;
  readonly #watchers = new Set<(message: Message) => void>();
  #devices: Readonly<Record<string, TestDevice>>;
  #server: TestGrpcServer | undefined;

  private constructor(options: TestDevicePluginOptions, services: DeviceServices, ids: readonly string[]) {
    this.#options = options;
    this.#services = services;
    this.#devices = Object.fromEntries(ids.map((id) => [id, { healthy: true }]));
  }

  /** Serves its socket, and registers. @throws what the kubelet says against it. */
  static async start(options: TestDevicePluginOptions, ids: readonly string[]): Promise<TestDevicePlugin> {
    const plugin = new TestDevicePlugin(options, await loadDeviceServices(), ids);
    try {
      await plugin.serve();
      await plugin.register();
      return plugin;
    } catch (error) {
      await plugin[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All devices from now on, told to who watches. */
  set(devices: Readonly<Record<string, TestDevice>>): void {
    this.#devices = devices;
    for (const push of this.#watchers) push(this.#list());
  }

  /** Listens on its socket, anew if it did before. */
  async serve(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    const { directory, endpoint = "test.sock" } = this.#options;
    const service = this.#services.DevicePluginApi;
    this.#server = await TestGrpcServer.listen(join(directory, endpoint), [
      { service, answers: this.#answers(), streams: { listAndWatch: (push, signal) => this.#watch(push, signal) } },
    ]);
  }

  /** Tells the kubelet that it is there. @throws what the kubelet says against it. */
  async register(): Promise<void> {
    const { directory, resource: resourceName, endpoint = "test.sock", version = "v1beta1" } = this.#options;
    const { register } = this.#services.DeviceRegistrationApi.method;
    const client = new Client(`unix:${join(directory, "kubelet.sock")}`, credentials.createInsecure());
    const registered = Promise.withResolvers<void>();
    client.makeUnaryRequest(
      `/${register.parent.typeName}/${register.name}`,
      (message: MessageShape<typeof register.input>) => Buffer.from(toBinary(register.input, message)),
      (bytes) => fromBinary(register.output, bytes),
      create(register.input, { version, endpoint, resourceName }),
      (error) => (error === null ? registered.resolve() : registered.reject(error)),
    );
    await registered.promise.finally(() => client.close());
  }

  #answers() {
    const { prefer, preStart = false, allocate } = this.#options;
    const { method } = this.#services.DevicePluginApi;
    const say = <T>(call: string, message: T): T => {
      this.calls.push(call);
      return message;
    };
    return {
      getDevicePluginOptions: () =>
        create(method.getDevicePluginOptions.output, {
          preStartRequired: preStart,
          getPreferredAllocationAvailable: prefer !== undefined,
        }),
      getPreferredAllocation: ({ containerRequests }: Input<"getPreferredAllocation">) => {
        const containerResponses = containerRequests.map(({ availableDeviceIDs, allocationSize }) => ({
          deviceIDs: [...(prefer?.(availableDeviceIDs, allocationSize) ?? [])],
        }));
        return say("prefer", create(method.getPreferredAllocation.output, { containerResponses }));
      },
      allocate: ({ containerRequests }: Input<"allocate">) => {
        const ids = containerRequests.flatMap(({ devicesIds }) => devicesIds);
        this.calls.push(`allocate ${ids.join(",")}`);
        const containerResponses = [allocate?.(ids) ?? { envs: { DEVICES: ids.join(",") } }];
        return create(method.allocate.output, { containerResponses });
      },
      preStartContainer: ({ devicesIds }: Input<"preStartContainer">) =>
        say(`preStart ${devicesIds.join(",")}`, create(method.preStartContainer.output)),
    };
  }

  #watch(push: (message: Message) => void, signal: AbortSignal): void {
    push(this.#list());
    this.#watchers.add(push);
    signal.addEventListener("abort", () => this.#watchers.delete(push), { once: true });
  }

  #list(): Message {
    const devices = Object.entries(this.#devices).map(([ID, { healthy, node }]) => ({
      ID,
      health: healthy ? "Healthy" : "Unhealthy",
      ...(node !== undefined && { topology: { nodes: [{ ID: BigInt(node) }] } }),
    }));
    return create(this.#services.DevicePluginApi.method.listAndWatch.output, { devices });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
    this.#watchers.clear();
  }
}
