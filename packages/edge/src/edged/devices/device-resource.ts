import { DeviceError } from "./device-error.ts";
import type { Device, DevicePlugin } from "./device-plugin.ts";

/** A resource whose plugin has gone is shown, without a healthy device, for so long; then as none at all. */
export const STOPPED_SHOWN_MS = 5 * 60_000;

/** The devices of one resource, as its plugin last showed them. */
export class DeviceResource {
  readonly name: string;
  /** Of this run of the agent: whether it is there still tells itself. */
  plugin: DevicePlugin | undefined;
  devices: ReadonlyMap<string, Device> = new Map();
  /** By the monotonic clock; undefined while the plugin is there. */
  stoppedAtMs: number | undefined;

  /** @param nowMs it is known from before, and has no plugin yet. */
  constructor(name: string, nowMs: number) {
    this.name = name;
    this.stoppedAtMs = nowMs;
  }

  healthy(): string[] {
    return [...this.devices].flatMap(([id, { healthy }]) => (healthy ? [id] : [])).sort();
  }

  isGone(nowMs: number): boolean {
    return this.stoppedAtMs !== undefined && nowMs - this.stoppedAtMs > STOPPED_SHOWN_MS;
  }

  /** Its plugin has ended: nobody can say of a device that it works. */
  stop(nowMs: number): void {
    this.stoppedAtMs = nowMs;
    this.devices = new Map([...this.devices].map(([id, device]) => [id, { ...device, healthy: false }]));
  }

  /**
   * Chooses `count` devices: first those that an init container of the same pod had, then those that the plugin prefers.
   *
   * @throws DeviceError in a kubelet's words.
   */
  async choose(
    count: number,
    reusable: ReadonlySet<string>,
    inUse: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<string[]> {
    const { name, plugin } = this;
    const healthy = this.healthy();
    if (plugin === undefined || healthy.length === 0)
      throw DeviceError.unavailable(`no healthy devices present; cannot allocate unhealthy devices ${name}`);
    const chosen = new Set([...reusable].sort().slice(0, count));
    if (chosen.size === count) return [...chosen];
    const available = healthy.filter((id) => !inUse.has(id));
    const needed = count - chosen.size;
    if (available.length < needed)
      throw DeviceError.unavailable(
        `requested number of devices unavailable for ${name}. Requested: ${needed}, Available: ${available.length}`,
      );
    const preferred = await plugin.preferred([...available, ...chosen], [...chosen], count, signal);
    for (const id of [...preferred.filter((one) => available.includes(one)), ...available])
      if (chosen.size < count) chosen.add(id);
    return [...chosen].sort();
  }

  /** By NUMA node, as checkpoints keep them. */
  byNode(ids: readonly string[]): Map<number, string[]> {
    const byNode = new Map<number, string[]>();
    for (const id of ids) {
      const { nodes = [] } = this.devices.get(id) ?? {};
      for (const node of nodes.length === 0 ? [NO_NODE] : nodes) byNode.set(node, [...(byNode.get(node) ?? []), id]);
    }
    return byNode;
  }
}

const NO_NODE = -1;
