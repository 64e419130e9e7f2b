import { join } from "node:path";
import type { DeviceServices } from "@kedge/cri";
import { type Logger, toError } from "@kedge/runtime";
import { isExtendedResource } from "../pods/admit-pod.ts";
import { DeviceError } from "./device-error.ts";

/** The kubelet's device plugin API. */
export const DEVICE_API_VERSION = "v1beta1";
/** Of one resource; further ones are not seen. */
export const DEVICES_MAX = 20_000;
/** A name beyond this is cut off the list: it could be kept nowhere. */
const DEVICE_ID_CHARS_MAX = 1024;
const RESOURCE = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const HEALTHY = "Healthy";

/** One device, as its plugin shows it. */
export interface Device {
  readonly healthy: boolean;
  /** NUMA nodes that it is near to. */
  readonly nodes: readonly number[];
}

export interface Registration {
  readonly version: string;
  readonly endpoint: string;
  readonly resourceName: string;
}

type Client = InstanceType<DeviceServices["DevicePluginClient"]>;

/** A plugin that has registered, until its connection ends. */
export class DevicePlugin implements Disposable {
  readonly resource: string;
  readonly #client: Client;
  readonly #options: { readonly preStartRequired: boolean; readonly getPreferredAllocationAvailable: boolean };
  readonly #life = new AbortController();
  #isStopped = false;

  private constructor(resource: string, client: Client, options: Awaited<ReturnType<Client["options"]>>) {
    this.resource = resource;
    this.#client = client;
    this.#options = options;
  }

  /** @throws DeviceError `BadPlugin`, or CriError when it cannot be reached. */
  static async connect(
    directory: string,
    { version, endpoint, resourceName }: Registration,
    { DevicePluginClient }: DeviceServices,
    signal: AbortSignal,
  ): Promise<DevicePlugin> {
    if (version !== DEVICE_API_VERSION)
      throw bad(`requested API version "${version}" is not supported: supported is ["${DEVICE_API_VERSION}"]`);
    if (!isExtendedResource(resourceName) || !RESOURCE.test(resourceName))
      throw bad(`the ResourceName "${resourceName}" is invalid: it must be like example.com/name`);
    // A path that leads elsewhere would have us talk to whatever listens there.
    if (endpoint === "" || endpoint === "." || endpoint === ".." || endpoint.includes("/") || endpoint.includes("\0"))
      throw bad(`the endpoint "${endpoint}" is invalid: it must name a socket in ${directory}`);
    const client = new DevicePluginClient(join(directory, endpoint));
    try {
      return new DevicePlugin(resourceName, client, await client.options(signal));
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Resolves when the plugin is gone. @param onDevices gets the whole list, at once and after each change. */
  async follow(onDevices: (devices: Map<string, Device>) => void, logger: Logger): Promise<void> {
    const { resource } = this;
    try {
      for await (const list of this.#client.listAndWatch(this.#life.signal)) {
        if (list.length > DEVICES_MAX)
          logger.warn({ resource, devices: list.length, max: DEVICES_MAX }, "too many devices: some are not used");
        const named = list.slice(0, DEVICES_MAX).filter(({ ID }) => ID !== "" && ID.length <= DEVICE_ID_CHARS_MAX);
        const devices = named.map(({ ID, health, topology }) => {
          const nodes = (topology?.nodes ?? []).map((node) => Number(node.ID));
          return [ID, { healthy: health === HEALTHY, nodes }] as const;
        });
        onDevices(new Map(devices));
      }
      logger.info({ resource }, "device plugin ended");
    } catch (error) {
      if (!this.#life.signal.aborted) logger.warn({ resource, error: toError(error) }, "device plugin lost");
    } finally {
      this[Symbol.dispose]();
    }
  }

  /** @returns those of `available` that go best together; empty: the plugin does not mind. */
  async preferred(
    available: readonly string[],
    mustInclude: readonly string[],
    size: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (!this.#options.getPreferredAllocationAvailable) return [];
    this.#mustLive();
    return this.#client.preferred(available, mustInclude, size, signal);
  }

  /** @returns what a container needs to use these. */
  async allocate(ids: readonly string[], signal: AbortSignal) {
    this.#mustLive();
    const allocation = await this.#client.allocate(ids, signal);
    if (allocation === undefined) throw bad(`the plugin of ${this.resource} has answered nothing for the container`);
    return allocation;
  }

  /** Before each start of a container that has devices, if the plugin wants to know. */
  async preStart(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (!this.#options.preStartRequired) return;
    this.#mustLive();
    await this.#client.preStart(ids, signal);
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    this.#life.abort();
    this.#client[Symbol.dispose]();
  }

  #mustLive(): void {
    if (this.#isStopped) throw DeviceError.unavailable(`endpoint of ${this.resource} has been stopped`);
  }
}

function bad(message: string): DeviceError {
  return new DeviceError(message, { code: "BadPlugin" });
}
