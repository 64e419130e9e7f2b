/** What one container takes; absent where nobody could tell. */
export interface ContainerUsage {
  readonly name: string;
  readonly memoryBytes: number | undefined;
  /** Of what it has written beside its volumes. */
  readonly rootBytes: number;
  readonly rootInodes: number;
  readonly logBytes: number;
  readonly logInodes: number;
}

export interface VolumeUsage {
  readonly bytes: number;
  readonly inodes: number;
}

/** What one pod takes of its node. */
export interface PodUsage {
  readonly containers: readonly ContainerUsage[];
  readonly memoryBytes: number | undefined;
  readonly processes: number | undefined;
  /** Of volumes on the node's own disk, by name. */
  readonly volumes: ReadonlyMap<string, VolumeUsage>;
}

/** What of a pod's disk usage lies on a file system. */
export interface DiskParts {
  readonly root: boolean;
  readonly logs: boolean;
  readonly volumes: boolean;
}

export const ALL_PARTS: DiskParts = { root: true, logs: true, volumes: true };

/** Bytes and inodes of those parts together. */
export function diskUsage({ containers, volumes }: PodUsage, parts: DiskParts): VolumeUsage {
  let [bytes, inodes] = [0, 0];
  for (const container of containers) {
    if (parts.root) [bytes, inodes] = [bytes + container.rootBytes, inodes + container.rootInodes];
    if (parts.logs) [bytes, inodes] = [bytes + container.logBytes, inodes + container.logInodes];
  }
  if (parts.volumes)
    for (const volume of volumes.values()) [bytes, inodes] = [bytes + volume.bytes, inodes + volume.inodes];
  return { bytes, inodes };
}
