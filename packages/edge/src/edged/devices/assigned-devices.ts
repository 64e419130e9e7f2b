import type { DeviceEntry } from "./device-checkpoint.ts";

/** Which containers have which devices. */
export class AssignedDevices {
  /** pod uid → container → resource */
  readonly #pods = new Map<string, Map<string, Map<string, DeviceEntry>>>();

  constructor(entries: Iterable<DeviceEntry> = []) {
    for (const entry of entries) this.set(entry);
  }

  set(entry: DeviceEntry): void {
    const pod = getOrMake(this.#pods, entry.podUid);
    getOrMake(pod, entry.container).set(entry.resource, entry);
  }

  get(podUid: string, container: string, resource: string): DeviceEntry | undefined {
    return this.#pods.get(podUid)?.get(container)?.get(resource);
  }

  of(podUid: string, container: string): DeviceEntry[] {
    return [...(this.#pods.get(podUid)?.get(container)?.values() ?? [])];
  }

  /** @returns whether it had any. */
  delete(podUid: string): boolean {
    return this.#pods.delete(podUid);
  }

  podUids(): string[] {
    return [...this.#pods.keys()];
  }

  has(podUid: string): boolean {
    return this.#pods.has(podUid);
  }

  all(): DeviceEntry[] {
    return [...this.#pods.values()].flatMap((pod) => [...pod.values()].flatMap((container) => [...container.values()]));
  }

  /** All devices of a resource that somebody has. */
  inUse(resource: string): Set<string> {
    return new Set(this.all().flatMap((entry) => (entry.resource === resource ? idsOf(entry) : [])));
  }

  /** Whose these devices are. */
  owners(resource: string, ids: ReadonlySet<string>): Set<string> {
    const owners = this.all().filter((entry) => entry.resource === resource && idsOf(entry).some((id) => ids.has(id)));
    return new Set(owners.map(({ podUid }) => podUid));
  }
}

/** Each device once, although it may be near several NUMA nodes. */
export function idsOf({ devices }: DeviceEntry): string[] {
  return [...new Set([...devices.values()].flat())].sort();
}

function getOrMake<K, K2, V>(map: Map<K, Map<K2, V>>, key: K): Map<K2, V> {
  const made = map.get(key) ?? new Map<K2, V>();
  map.set(key, made);
  return made;
}
