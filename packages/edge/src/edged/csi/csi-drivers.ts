import type { CsiNodeCapabilities, CsiNodeService } from "@kedge/cri";
import { loadPluginServices } from "@kedge/cri";
import type { CSINodeDriver } from "@kedge/kube";
import type { Plugin, PluginHandler } from "./plugin-registry.ts";
import { topologyLabels } from "./topology-labels.ts";
import { VolumeError } from "../volumes/volume-error.ts";

/** A driver that registered on this node. */
export interface CsiDriver {
  readonly name: string;
  /** Its socket. */
  readonly endpoint: string;
  readonly node: CsiNodeService;
  readonly capabilities: CsiNodeCapabilities;
  /** Where the driver says that this node is, as labels. */
  readonly topology: Readonly<Record<string, string>>;
  /** As the CSINode lists it. */
  readonly listing: CSINodeDriver;
}

/** As a kubelet's: mounting may mean formatting. */
const CALL_TIMEOUT_MS = 120_000;
const REGISTER_TIMEOUT_MS = 30_000;
const DRIVER_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/;
/** Versions of the protocol that are spoken here: all of 1. */
const VERSION = /^v?1(\.\d+){0,2}$/;

/** The CSI drivers on this node; nothing of this is stored, each registers anew after a restart. */
export class CsiDrivers implements PluginHandler, Disposable {
  readonly #drivers = new Map<string, CsiDriver>();
  readonly #listeners = new Set<(driver: string) => void>();

  get all(): readonly CsiDriver[] {
    return [...this.#drivers.values()];
  }

  /** Where the drivers say that this node is, as labels of the node. */
  get topology(): Readonly<Record<string, string>> {
    return Object.assign({}, ...this.all.map(({ topology }) => topology)) as Record<string, string>;
  }

  /** @throws VolumeError `DriverNotReady` */
  get(name: string): CsiDriver {
    const driver = this.#drivers.get(name);
    if (driver === undefined)
      throw new VolumeError(`driver name ${name} not found in the list of registered CSI drivers`, {
        code: "DriverNotReady",
      });
    return driver;
  }

  canExpand(name: string): boolean {
    return this.#drivers.get(name)?.capabilities.expand === true;
  }

  /** Calls back when a driver came or went. */
  onChange(listener: (driver: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async register({ name, endpoint, versions }: Plugin, signal: AbortSignal): Promise<void> {
    if (!DRIVER_NAME.test(name)) throw new Error(`${JSON.stringify(name)} cannot be a CSI driver's name`);
    if (!endpoint.startsWith("/")) throw new Error(`the endpoint of CSI driver ${name} must be an absolute path`);
    if (!versions.some((version) => VERSION.test(version)))
      throw new Error(`CSI driver ${name} speaks versions ${versions.join(", ")}, and this node speaks 1`);
    const { CsiNodeService } = await loadPluginServices();
    const node = new CsiNodeService(endpoint, name, CALL_TIMEOUT_MS);
    try {
      const soon = AbortSignal.any([signal, AbortSignal.timeout(REGISTER_TIMEOUT_MS)]);
      const [info, capabilities] = [await node.info(soon), await node.capabilities(soon)];
      if (info.nodeId === "") throw new Error(`CSI driver ${name} does not say what this node is to it`);
      const topology = topologyLabels(info.accessibleTopology?.segments ?? {});
      const volumesMax = Number(info.maxVolumesPerNode);
      const listing: CSINodeDriver = {
        name,
        nodeID: info.nodeId,
        topologyKeys: Object.keys(info.accessibleTopology?.segments ?? {}).toSorted(),
        ...(volumesMax > 0 && { allocatable: { count: Math.min(volumesMax, 0x7fff_ffff) } }),
      };
      this.#drivers.get(name)?.node[Symbol.dispose]();
      this.#drivers.set(name, { name, endpoint, node, capabilities, topology, listing });
    } catch (error) {
      node[Symbol.dispose]();
      throw error;
    }
    this.#tell(name);
  }

  deregister({ name, endpoint }: Plugin): void {
    const driver = this.#drivers.get(name);
    if (driver?.endpoint !== endpoint) return; // its successor registered first
    this.#drivers.delete(name);
    driver.node[Symbol.dispose]();
    this.#tell(name);
  }

  #tell(driver: string): void {
    for (const listener of this.#listeners) listener(driver);
  }

  [Symbol.dispose](): void {
    for (const { node } of this.#drivers.values()) node[Symbol.dispose]();
    this.#drivers.clear();
  }
}
