import type { ContainerConfig } from "@kedge/cri";

/** What a container needs to use its devices, in the runtime's words. */
export interface ContainerDevices {
  readonly environment: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: NonNullable<ContainerConfig["mounts"]>;
  readonly devices: NonNullable<ContainerConfig["devices"]>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdiDevices: NonNullable<ContainerConfig["CDIDevices"]>;
}

/** What a plugin answers to `Allocate`, for one container. */
export interface PluginAllocation {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string; readonly readOnly: boolean }[];
  readonly devices: readonly {
    readonly containerPath: string;
    readonly hostPath: string;
    readonly permissions: string;
  }[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdiDevices: readonly { readonly name: string }[];
}

export const NO_DEVICES: ContainerDevices = {
  environment: [],
  mounts: [],
  devices: [],
  annotations: {},
  cdiDevices: [],
};

/** All of a container's resources together; where two name the same, the first counts. */
export function mergeAllocations(allocations: readonly PluginAllocation[]): ContainerDevices {
  const environment = new Map<string, string>();
  const mounts = new Map<string, ContainerDevices["mounts"][number]>();
  const devices = new Map<string, ContainerDevices["devices"][number]>();
  const annotations = new Map<string, string>();
  const cdi = new Set<string>();
  for (const allocation of allocations) {
    for (const [name, value] of Object.entries(allocation.envs)) keepFirst(environment, name, value);
    for (const { containerPath, hostPath, readOnly } of allocation.mounts)
      keepFirst(mounts, containerPath, { containerPath, hostPath, readonly: readOnly });
    for (const { containerPath, hostPath, permissions } of allocation.devices)
      keepFirst(devices, containerPath, { containerPath, hostPath, permissions });
    for (const [name, value] of Object.entries(allocation.annotations)) keepFirst(annotations, name, value);
    for (const { name } of allocation.cdiDevices) cdi.add(name);
  }
  return {
    environment: [...environment].map(([name, value]) => ({ name, value })),
    mounts: [...mounts.values()],
    devices: [...devices.values()],
    annotations: Object.fromEntries(annotations),
    cdiDevices: [...cdi].map((name) => ({ name })),
  };
}

function keepFirst<V>(map: Map<string, V>, key: string, value: V): void {
  if (!map.has(key)) map.set(key, value);
}
