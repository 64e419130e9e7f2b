import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What a kubelet writes beside a CSI volume, so that it can be unmounted by who did not mount it. */
export interface VolumeData {
  readonly driverName: string;
  readonly volumeHandle: string;
  /** The PersistentVolume, or the volume of the pod; only beside a pod's volume, as all below. */
  readonly specVolID?: string;
  readonly nodeName?: string;
  readonly attachmentID?: string;
  readonly volumeLifecycleMode?: "Persistent" | "Ephemeral";
  /** Ours alone, kubelets pass over it: mounted, and not given to this group yet. */
  readonly groupPending?: string;
}

const FILE = "vol_data.json";
const DATA_BYTES_MAX = 64 * 1024;

/** In `directory`; on disk when this resolves: after a power cut nothing may be mounted that no record tells of. */
export async function writeVolumeData(directory: string, data: VolumeData): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  const temporary = join(directory, `.${FILE}.${randomBytes(4).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(data)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(directory, FILE));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const parent = await open(dirname(join(directory, FILE)), "r");
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

/** @returns `undefined`: there is none, or none that says which volume this is. */
export async function readVolumeData(directory: string): Promise<VolumeData | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, FILE), "utf8");
  } catch {
    return undefined;
  }
  if (text.length > DATA_BYTES_MAX) return undefined;
  try {
    const data = JSON.parse(text) as Partial<VolumeData> | null;
    if (typeof data?.driverName !== "string" || typeof data.volumeHandle !== "string") return undefined;
    return data as VolumeData;
  } catch {
    return undefined; // cut off by a kubelet that did not wait for the disk
  }
}

/** Takes the record away; what it told of is unmounted. */
export async function removeVolumeData(directory: string): Promise<void> {
  await rm(join(directory, FILE), { force: true });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Name of the VolumeAttachment that the cluster makes. */
export function attachmentName(handle: string, driver: string, node: string): string {
  return `csi-${sha256(`${handle}${driver}${node}`)}`;
}

/** The id of a volume that lives as long as its pod; nobody else names it. */
export function ephemeralHandle(podUid: string, volume: string): string {
  return `csi-${sha256(`${podUid}${volume}`)}`;
}

/** Below the kubelet's root: what is staged of one driver's volume, and its record. */
export function stagingDirectory(root: string, driver: string, handle: string): string {
  return join(stagingRoot(root), driver, sha256(handle));
}

export function stagingRoot(root: string): string {
  return join(root, "plugins/kubernetes.io/csi");
}
