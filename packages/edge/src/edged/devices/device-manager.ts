import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type DeviceServices, loadDeviceServices } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { type Clock, Component, hasCode, type Logger, toError } from "@kedge/runtime";
import { isSidecar } from "../resources/pod-resources.ts";
import { quantityValue } from "../resources/quantity.ts";
import { writeDurably } from "../state-file.ts";
import { AssignedDevices, idsOf } from "./assigned-devices.ts";
import { type ContainerDevices, mergeAllocations, NO_DEVICES } from "./container-devices.ts";
import {
  DEVICE_CHECKPOINT_BYTES_MAX,
  DEVICE_CHECKPOINT_FILE,
  type DeviceEntry,
  readDeviceCheckpoint,
  writeDeviceCheckpoint,
} from "./device-checkpoint.ts";
import { DeviceError } from "./device-error.ts";
import { type Device, DevicePlugin, type Registration } from "./device-plugin.ts";
import { DeviceResource, STOPPED_SHOWN_MS } from "./device-resource.ts";
import { RegistrationSocket } from "./registration-socket.ts";

/** Plugins of one node. */
const PLUGINS_MAX = 64;

type ResourceList = Record<string, string>;

export interface DeviceManagerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells who must know when devices come, go, or change their health. */
export interface DeviceListener {
  /** What the node has of a resource. */
  onCapacity(resource: string): void;
  /** A device of these pods is not as it was. */
  onHealth(podUids: ReadonlySet<string>): void;
  /** Whether a pod still needs its devices. */
  isActive(podUid: string): boolean;
}

/**
 * Gives pods the devices that plugins on this node offer, over the kubelet's device plugin API.
 *
 * @see `README.md`
 */
export class DeviceManager extends Component {
  readonly #directory: string;
  readonly #deps: DeviceManagerDeps;
  readonly #resources = new Map<string, DeviceResource>();
  readonly #followers = new Set<Promise<void>>();
  #assigned = new AssignedDevices();
  readonly #listeners: Partial<DeviceListener>[] = [];
  #door: RegistrationSocket | undefined;
  #services: Promise<DeviceServices> | undefined;
  /** One allocation at a time, and one checkpoint. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, deps: DeviceManagerDeps) {
    super();
    this.#directory = directory;
    this.#deps = deps;
  }

  /**
   * @param directory `device-plugins` in the agent's root directory. Sockets in there are removed: by that plugins know
   *   that they must register anew.
   */
  static async start(directory: string, deps: DeviceManagerDeps): Promise<DeviceManager> {
    const manager = new DeviceManager(directory, deps);
    try {
      await manager.#readCheckpoint();
      const methods = async () => {
        const { deviceRegistration } = await manager.#load();
        return deviceRegistration((request, signal) => manager.#register(request, signal));
      };
      manager.#door = await RegistrationSocket.open(directory, methods, deps.logger);
    } catch (error) {
      // The node has pods to run that need no device.
      deps.logger.warn({ directory, error: toError(error) }, "device plugins cannot register");
    }
    return manager;
  }

  /** For as long as the manager lives. */
  listen(listener: Partial<DeviceListener>): void {
    this.#listeners.push(listener);
  }

  /** What the node has of each resource, working or not. */
  capacity(): ResourceList {
    return this.#count((resource) => resource.devices.size);
  }

  /** What pods may ask for. */
  allocatable(): ResourceList {
    return this.#count((resource) => resource.healthy().length);
  }

  /** What of it counts as the node's when `pod` is looked at: it has its devices, whatever became of their plugin. */
  allocatableFor(pod: Pod): ResourceList {
    const allocatable = this.allocatable();
    if (!this.#assigned.has(pod.metadata?.uid ?? "")) return allocatable;
    const resources = new Set(this.#assigned.all().map(({ resource }) => resource));
    for (const resource of resources) {
      const given = this.#assigned.inUse(resource).size;
      if (given > Number(allocatable[resource] ?? 0)) allocatable[resource] = String(given);
    }
    return allocatable;
  }

  /**
   * Gives each container the devices that it asks for. What it has already stays.
   *
   * @throws DeviceError in a kubelet's words, or CriError of a plugin; the pod has no more than before then.
   */
  async allocate(pod: Pod, signal: AbortSignal): Promise<void> {
    const { containers = [], initContainers = [] } = pod.spec ?? {};
    if (![...initContainers, ...containers].some((one) => this.#wanted(one).length > 0)) return;
    await this.#alone(async () => {
      const before = new AssignedDevices(this.#assigned.all());
      try {
        const uid = pod.metadata?.uid ?? "";
        for (const other of this.#assigned.podUids())
          if (other !== uid && this.#listeners.some((one) => one.isActive?.(other) === false))
            this.#assigned.delete(other);
        const reusable = new Map<string, Set<string>>();
        for (const container of initContainers) {
          await this.#allocateContainer(uid, container, reusable, signal);
          this.#noteReusable(uid, container, reusable, !isSidecar(container));
        }
        for (const container of containers) {
          await this.#allocateContainer(uid, container, reusable, signal);
          this.#noteReusable(uid, container, reusable, false);
        }
        if (!isSame(before.all(), this.#assigned.all())) await this.#writeCheckpoint();
      } catch (error) {
        this.#assigned = before;
        throw error;
      }
    });
  }

  /** The pod is over. */
  async release(podUid: string): Promise<void> {
    if (!this.#assigned.has(podUid)) return;
    await this.#alone(async () => {
      this.#assigned.delete(podUid);
      await this.#writeCheckpoint();
    });
  }

  /**
   * What a container that is about to start needs to use its devices. Its plugins are told, if they want to be.
   *
   * @throws DeviceError `DeviceUnavailable` while a plugin has not come up since the agent started.
   */
  async prepare(pod: Pod, container: Container, signal: AbortSignal): Promise<ContainerDevices> {
    const wanted = this.#wanted(container);
    if (wanted.length === 0) return NO_DEVICES;
    const uid = pod.metadata?.uid ?? "";
    if (wanted.some(([resource]) => this.#assigned.get(uid, container.name, resource) === undefined))
      await this.allocate(pod, signal); // it was admitted when its plugin was not there
    for (const [resource] of wanted) {
      const { plugin } = this.#resources.get(resource) ?? {};
      const entry = this.#assigned.get(uid, container.name, resource);
      if (plugin === undefined || entry === undefined)
        throw DeviceError.unavailable(`the device plugin of ${resource} has not registered since this agent started`);
      await plugin.preStart(idsOf(entry), signal);
    }
    const { readAllocation } = await this.#load();
    return mergeAllocations(this.#assigned.of(uid, container.name).map((entry) => readAllocation(entry.allocation)));
  }

  /** How a container's devices are, as a pod's status shows it. */
  healthOf(podUid: string, container: string) {
    return this.#assigned.of(podUid, container).map((entry) => ({
      name: entry.resource,
      resources: idsOf(entry).map((id) => {
        const device = this.#resources.get(entry.resource)?.devices.get(id);
        return { resourceID: id, health: device?.healthy === false ? "Unhealthy" : "Healthy" };
      }),
    }));
  }

  /** Who has what, as the pod resources API tells it. */
  devicesOf(podUid: string, container: string): readonly DeviceEntry[] {
    return this.#assigned.of(podUid, container);
  }

  /** Working devices, by resource. */
  devices(): { readonly resource: string; readonly id: string; readonly nodes: readonly number[] }[] {
    return [...this.#resources.values()].flatMap(({ name, devices }) =>
      [...devices].flatMap(([id, { healthy, nodes }]) => (healthy ? [{ resource: name, id, nodes }] : [])),
    );
  }

  #load(): Promise<DeviceServices> {
    return (this.#services ??= loadDeviceServices());
  }

  /** The resources among those that a container asks for that plugins have, or had. */
  #wanted({ resources }: Container): [resource: string, count: number][] {
    return Object.entries(resources?.limits ?? {})
      .map(([resource, quantity]): [string, number] => [resource, quantityValue(quantity)])
      .filter(([resource, count]) => count > 0 && this.#isManaged(resource));
  }

  #isManaged(resource: string): boolean {
    return this.#resources.has(resource) || this.#assigned.all().some((entry) => entry.resource === resource);
  }

  async #allocateContainer(
    podUid: string,
    container: Container,
    reusable: ReadonlyMap<string, ReadonlySet<string>>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [resource, count] of this.#wanted(container)) {
      const present = this.#assigned.get(podUid, container.name, resource);
      if (present !== undefined) {
        const had = idsOf(present).length;
        if (had === count) continue;
        throw DeviceError.unavailable(
          `pod "${podUid}" container "${container.name}" changed request for resource "${resource}" from ${had} to ${count}`,
        );
      }
      const offered = this.#resources.get(resource);
      if (offered === undefined) throw DeviceError.unavailable(`cannot allocate unregistered device ${resource}`);
      const inUse = this.#assigned.inUse(resource);
      const ids = await offered.choose(count, reusable.get(resource) ?? new Set(), inUse, signal);
      const answer = await offered.plugin?.allocate(ids, signal);
      if (answer === undefined) throw DeviceError.unavailable(`unknown Device Plugin ${resource}`);
      const { writeAllocation } = await this.#load();
      this.#assigned.set({
        podUid,
        container: container.name,
        resource,
        devices: offered.byNode(ids),
        allocation: writeAllocation(answer),
      });
    }
  }

  /** What an init container had goes to the next ones, unless it runs on beside them. */
  #noteReusable(podUid: string, { name }: Container, reusable: Map<string, Set<string>>, isOver: boolean): void {
    for (const entry of this.#assigned.of(podUid, name)) {
      const left = reusable.get(entry.resource) ?? new Set();
      for (const id of idsOf(entry))
        if (isOver) left.add(id);
        else left.delete(id);
      reusable.set(entry.resource, left);
    }
  }

  async #register(request: Registration, signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    const { resourceName: resource, endpoint } = request;
    try {
      if (!this.#resources.has(resource) && this.#resources.size >= PLUGINS_MAX)
        throw new DeviceError(`this node has ${PLUGINS_MAX} device plugins already`, { code: "BadPlugin" });
      const plugin = await DevicePlugin.connect(this.#directory, request, await this.#load(), signal);
      if (this.signal.aborted) return plugin[Symbol.dispose]();
      this.#adopt(plugin);
      logger.info({ resource, endpoint }, "device plugin registered");
    } catch (error) {
      logger.warn({ resource, endpoint, error: toError(error) }, "device plugin not registered");
      throw error;
    }
  }

  #adopt(plugin: DevicePlugin): void {
    const { clock, logger } = this.#deps;
    const resource = this.#resources.get(plugin.resource) ?? new DeviceResource(plugin.resource, clock.monotonic());
    this.#resources.set(plugin.resource, resource);
    resource.plugin?.[Symbol.dispose](); // it has started anew
    resource.plugin = plugin;
    const follower = plugin
      .follow((devices) => this.#update(resource, plugin, devices), logger)
      .then(() => this.#lost(resource, plugin))
      .finally(() => this.#followers.delete(follower));
    this.#followers.add(follower);
  }

  #update(resource: DeviceResource, plugin: DevicePlugin, devices: ReadonlyMap<string, Device>): void {
    if (resource.plugin !== plugin) return;
    const before = resource.devices;
    resource.devices = devices;
    resource.stoppedAtMs = undefined;
    this.#tell(resource, before);
    this.#alone(() => this.#writeCheckpoint()).catch(() => undefined); // told in the log
  }

  #lost(resource: DeviceResource, plugin: DevicePlugin): void {
    if (resource.plugin !== plugin || this.signal.aborted) return;
    const { clock, logger } = this.#deps;
    const before = resource.devices;
    resource.stop(clock.monotonic());
    this.#tell(resource, before);
    clock.sleep(STOPPED_SHOWN_MS + 1, this.signal).then(
      () => {
        if (!resource.isGone(clock.monotonic())) return;
        logger.info({ resource: resource.name }, "device plugin has not come back: the node has none of its devices");
        for (const listener of this.#listeners) listener.onCapacity?.(resource.name);
      },
      () => undefined,
    );
  }

  #tell({ name, devices }: DeviceResource, before: ReadonlyMap<string, Device>): void {
    const changed = [...new Set([...devices.keys(), ...before.keys()])].filter(
      (id) => devices.get(id)?.healthy !== before.get(id)?.healthy,
    );
    if (changed.length === 0 && devices.size === before.size && devices.size > 0) return;
    for (const listener of this.#listeners) listener.onCapacity?.(name);
    const owners = this.#assigned.owners(name, new Set(changed));
    if (owners.size > 0) for (const listener of this.#listeners) listener.onHealth?.(owners);
  }

  #count(amount: (resource: DeviceResource) => number): ResourceList {
    const list: ResourceList = {};
    const nowMs = this.#deps.clock.monotonic();
    // Of a plugin that is gone the cluster shall know that there was one: then it is no resource of the cluster's own.
    for (const resource of this.#resources.values())
      list[resource.name] = String(resource.isGone(nowMs) ? 0 : amount(resource));
    return list;
  }

  async #readCheckpoint(): Promise<void> {
    const path = join(this.#directory, DEVICE_CHECKPOINT_FILE);
    try {
      const { size } = await stat(path);
      if (size > DEVICE_CHECKPOINT_BYTES_MAX) throw new Error(`it has ${size} bytes`);
      const { entries, registered } = readDeviceCheckpoint(await readFile(path, "utf8"));
      this.#assigned = new AssignedDevices(entries);
      const nowMs = this.#deps.clock.monotonic();
      for (const resource of registered.keys()) this.#resources.set(resource, new DeviceResource(resource, nowMs));
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      this.#deps.logger.warn({ path, error: toError(error) }, "which devices containers have is not known any more");
    }
  }

  async #writeCheckpoint(): Promise<void> {
    const path = join(this.#directory, DEVICE_CHECKPOINT_FILE);
    const registered = new Map([...this.#resources.values()].map((resource) => [resource.name, resource.healthy()]));
    try {
      await writeDurably(path, writeDeviceCheckpoint({ entries: this.#assigned.all(), registered }));
    } catch (error) {
      this.#deps.logger.warn({ path, error: toError(error) }, "which devices containers have is not stored");
      throw error;
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  protected override async stop(): Promise<void> {
    await this.#door?.[Symbol.asyncDispose]();
    for (const { plugin } of this.#resources.values()) plugin?.[Symbol.dispose]();
    await Promise.all(this.#followers);
    await this.#turn;
  }
}

function isSame(before: readonly DeviceEntry[], after: readonly DeviceEntry[]): boolean {
  return before.length === after.length && after.every((entry) => before.includes(entry));
}
