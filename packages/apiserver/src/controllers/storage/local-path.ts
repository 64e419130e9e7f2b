import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "@kedge/kube";
import { CodedError } from "@kedge/runtime";
import { BOUND_BY_CONTROLLER, DEFAULT_CLASS, PROVISIONED_BY, WAIT_FOR_CONSUMER } from "./storage-names.ts";

/** Volumes that are directories of this machine. */
export interface LocalPathConfig {
  /** Where the directories are made; nothing else is in it. */
  readonly directory: string;
  /** The node that is this machine. */
  readonly nodeName: string;
}

export const LOCAL_PATH_PROVISIONER = "kedge.io/local-path";
const HOSTNAME_LABEL = "kubernetes.io/hostname";
const VOLUME_NAME = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `OtherNode`: the volume would be on a machine that we do not reach. `NotOurs`: not a directory that we made. */
export class LocalPathError extends CodedError<{ readonly code: "OtherNode" | "NotOurs" }> {}

/** What a claim gets that names no class. */
export function localPathClass(): StorageClass {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local-path", annotations: { [DEFAULT_CLASS]: "true" } },
    provisioner: LOCAL_PATH_PROVISIONER,
    reclaimPolicy: "Delete",
    volumeBindingMode: WAIT_FOR_CONSUMER,
  };
}

/** Makes the directory, and says what the volume is to be. @throws LocalPathError `OtherNode` */
export async function provisionLocalPath(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  nodeName: string,
  config: LocalPathConfig,
): Promise<PersistentVolume> {
  if (nodeName !== config.nodeName)
    throw new LocalPathError(
      `volumes of class ${storageClass.metadata?.name} are directories of node ${config.nodeName}, and the pod is to run on ${nodeName}`,
      { code: "OtherNode" },
    );
  const { name = "", namespace = "", uid = "" } = claim.metadata ?? {};
  const volumeName = `pvc-${uid}`;
  const path = pathOf(volumeName, config);
  await mkdir(config.directory, { recursive: true, mode: 0o711 });
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777); // any user of a container may write, whatever our umask
  const required = {
    nodeSelectorTerms: [{ matchExpressions: [{ key: HOSTNAME_LABEL, operator: "In", values: [nodeName] }] }],
  };
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: volumeName,
      annotations: { [PROVISIONED_BY]: LOCAL_PATH_PROVISIONER, [BOUND_BY_CONTROLLER]: "yes" },
    },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.["storage"] ?? "0" },
      accessModes: claim.spec?.accessModes ?? [],
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClass.metadata?.name ?? "",
      volumeMode: "Filesystem",
      ...(storageClass.mountOptions !== undefined && { mountOptions: storageClass.mountOptions }),
      local: { path },
      nodeAffinity: { required },
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid },
    },
  };
}

/** Removes the directory of a volume, and what is in it. @throws LocalPathError `NotOurs`: then nothing is touched. */
export async function removeLocalPath(volume: PersistentVolume, config: LocalPathConfig): Promise<void> {
  const { name = "" } = volume.metadata ?? {};
  const path = pathOf(name, config);
  if (volume.spec?.local?.path !== path)
    throw new LocalPathError(`${volume.spec?.local?.path} is not the directory that was made for ${name}`, {
      code: "NotOurs",
    });
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory()) throw new LocalPathError(`${path} is not a directory any more`, { code: "NotOurs" });
  await rm(path, { recursive: true, force: true });
}

/** @throws LocalPathError: the name is none that we gave. */
function pathOf(volumeName: string, { directory }: LocalPathConfig): string {
  const path = join(directory, volumeName);
  if (!VOLUME_NAME.test(volumeName) || dirname(path) !== join(directory))
    throw new LocalPathError(`${JSON.stringify(volumeName)} is not a volume of ${LOCAL_PATH_PROVISIONER}`, {
      code: "NotOurs",
    });
  return path;
}
