import { goList, goMap, kubeletChecksum } from "../kubelet-checksum.ts";

/** The devices of one resource that one container has. */
export interface DeviceEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  /** By NUMA node; −1: of none. */
  readonly devices: ReadonlyMap<number, readonly string[]>;
  /** What the plugin answered, as it came: a `ContainerAllocateResponse`. */
  readonly allocation: Uint8Array;
}

export interface DeviceCheckpoint {
  readonly entries: readonly DeviceEntry[];
  /** Resource → its healthy devices. */
  readonly registered: ReadonlyMap<string, readonly string[]>;
}

/** As kubelets name it, in the plugins' directory. */
export const DEVICE_CHECKPOINT_FILE = "kubelet_internal_checkpoint";
/** A larger file is none of ours. */
export const DEVICE_CHECKPOINT_BYTES_MAX = 16 * 1024 * 1024;

interface FileEntry {
  PodUID: string;
  ContainerName: string;
  ResourceName: string;
  DeviceIDs: Record<string, string[] | null> | null;
  AllocResp: string | null;
}
interface FileData {
  PodDeviceEntries: FileEntry[] | null;
  RegisteredDevices: Record<string, string[] | null> | null;
}

/**
 * A kubelet's `kubelet_internal_checkpoint`: with it a node moves from a stock agent to this one and back, and its containers
 * keep their devices.
 */
export function writeDeviceCheckpoint({ entries, registered }: DeviceCheckpoint): string {
  const data: FileData = {
    PodDeviceEntries: entries.map(({ podUid, container, resource, devices, allocation }) => ({
      PodUID: podUid,
      ContainerName: container,
      ResourceName: resource,
      DeviceIDs: Object.fromEntries([...devices].map(([node, ids]) => [String(node), [...ids]])),
      AllocResp: Buffer.from(allocation).toString("base64"),
    })),
    RegisteredDevices: Object.fromEntries([...registered].map(([resource, ids]) => [resource, [...ids]])),
  };
  return JSON.stringify({ Data: data, Checksum: kubeletChecksum(dump(data)) });
}

/** @throws Error when it is damaged: then what containers have is not known. */
export function readDeviceCheckpoint(text: string): DeviceCheckpoint {
  const { Data: data, Checksum: checksum } = JSON.parse(text) as { Data: FileData; Checksum: number };
  if (kubeletChecksum(dump(data)) !== checksum) throw new Error("the checksum is not that of the data");
  return {
    entries: (data.PodDeviceEntries ?? []).map((entry) => ({
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      devices: new Map(Object.entries(entry.DeviceIDs ?? {}).map(([node, ids]) => [Number(node), ids ?? []])),
      allocation: Buffer.from(entry.AllocResp ?? "", "base64"),
    })),
    registered: new Map(Object.entries(data.RegisteredDevices ?? {}).map(([resource, ids]) => [resource, ids ?? []])),
  };
}

/** As Go's dump writes it. */
function dump({ PodDeviceEntries, RegisteredDevices }: FileData): string {
  const entries = PodDeviceEntries === null ? "<nil>" : `[${PodDeviceEntries.map(dumpEntry).join(" ")}]`;
  const registered = RegisteredDevices === null ? "<nil>" : goMap(Object.entries(RegisteredDevices), goList);
  return `(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)${entries} RegisteredDevices:(map[string][]string)${registered}}`;
}

function dumpEntry({ PodUID, ContainerName, ResourceName, DeviceIDs, AllocResp }: FileEntry): string {
  const devices =
    DeviceIDs === null
      ? "<nil>"
      : goMap(
          Object.entries(DeviceIDs).map(([node, ids]) => [Number(node), ids] as const),
          goList,
        );
  const allocation = AllocResp === null ? "<nil>" : goList([...Buffer.from(AllocResp, "base64")]);
  return `{PodUID:(string)${PodUID} ContainerName:(string)${ContainerName} ResourceName:(string)${ResourceName} DeviceIDs:(checkpoint.DevicesPerNUMA)${devices} AllocResp:([]uint8)${allocation}}`;
}
