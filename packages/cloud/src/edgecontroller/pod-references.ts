import type { Container, EphemeralContainer, Pod, Volume } from "@kedge/kube";

/** Names of what a pod needs from its own namespace. */
export interface PodReferences {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
}

/** All that a node must have to run the pod: also for init and ephemeral containers, and for volumes of any kind (W33). */
export function referencesOf({ metadata, spec }: Pod): PodReferences {
  const [configMaps, secrets, claims] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const found: Found = {
    configMap: (name) => void (name !== undefined && name !== "" && configMaps.add(name)),
    secret: (name) => void (name !== undefined && name !== "" && secrets.add(name)),
    claim: (name) => void (name !== undefined && name !== "" && claims.add(name)),
  };
  for (const { name } of spec?.imagePullSecrets ?? []) found.secret(name);
  for (const volume of spec?.volumes ?? []) {
    findInVolume(volume, found);
    if (volume.ephemeral !== undefined) found.claim(`${metadata?.name}-${volume.name}`);
  }
  for (const containers of [spec?.containers, spec?.initContainers, spec?.ephemeralContainers])
    for (const container of containers ?? []) findInContainer(container, found);
  return { configMaps, secrets, claims };
}

interface Found {
  configMap(name: string | undefined): void;
  secret(name: string | undefined): void;
  claim(name: string | undefined): void;
}

function findInContainer({ env, envFrom }: Container | EphemeralContainer, found: Found): void {
  for (const { valueFrom } of env ?? []) {
    found.configMap(valueFrom?.configMapKeyRef?.name);
    found.secret(valueFrom?.secretKeyRef?.name);
  }
  for (const { configMapRef, secretRef } of envFrom ?? []) {
    found.configMap(configMapRef?.name);
    found.secret(secretRef?.name);
  }
}

function findInVolume(volume: Volume, found: Found): void {
  found.configMap(volume.configMap?.name);
  found.secret(volume.secret?.secretName);
  found.claim(volume.persistentVolumeClaim?.claimName);
  for (const { configMap, secret } of volume.projected?.sources ?? []) {
    found.configMap(configMap?.name);
    found.secret(secret?.name);
  }
  const { csi, azureFile, cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos } = volume;
  found.secret(csi?.nodePublishSecretRef?.name);
  found.secret(azureFile?.secretName);
  for (const driver of [cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos])
    found.secret(driver?.secretRef?.name);
}
