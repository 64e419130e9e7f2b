import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume, VolumeProjection } from "@kedge/kube";
import { type Allocatable, containerResourceValue } from "../env/container-resource-value.ts";
import { fieldValue } from "../env/field-value.ts";
import { type PodObjects, secretValue } from "../env/pod-objects.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import { VolumeError } from "./volume-error.ts";
import { checkFilePath, type VolumeFile, type VolumeFiles } from "./volume-files.ts";

export interface FileSources {
  readonly objects: PodObjects;
  readonly tokens: ServiceAccountTokens;
  readonly allocatable: Allocatable;
  /** What the volume shows now. */
  readonly shown: ReadonlyMap<string, Buffer>;
}

const MODE_DEFAULT = 0o644;
const TOKEN_MODE_PRIVATE = 0o600;

/** All that a configMap, secret, downwardAPI or projected volume should hold. @throws VolumeError, PodObjectError */
export async function collectFiles(
  pod: Pod,
  volume: Volume,
  sources: FileSources,
  signal: AbortSignal,
): Promise<VolumeFiles> {
  const { configMap, secret, downwardAPI, projected } = volume;
  const files = new Map<string, VolumeFile>();
  if (configMap !== undefined) {
    const { name = "", items, optional = false, defaultMode = MODE_DEFAULT } = configMap;
    addKeys(
      files,
      configMapKeys(await sources.objects.configMap(name, optional)),
      items,
      defaultMode,
      optional,
      "config",
    );
  } else if (secret !== undefined) {
    const { secretName = "", items, optional = false, defaultMode = MODE_DEFAULT } = secret;
    addKeys(
      files,
      secretKeys(await sources.objects.secret(secretName, optional)),
      items,
      defaultMode,
      optional,
      "secret",
    );
  } else if (downwardAPI !== undefined) {
    addFields(files, pod, downwardAPI.items, downwardAPI.defaultMode ?? MODE_DEFAULT, sources.allocatable);
  } else {
    for (const source of projected?.sources ?? [])
      await addProjection(files, pod, source, projected?.defaultMode ?? MODE_DEFAULT, sources, signal);
  }
  return files;
}

async function addProjection(
  files: Map<string, VolumeFile>,
  pod: Pod,
  source: VolumeProjection,
  mode: number,
  { objects, tokens, allocatable, shown }: FileSources,
  signal: AbortSignal,
): Promise<void> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap !== undefined) {
    const { name = "", items, optional = false } = configMap;
    addKeys(files, configMapKeys(await objects.configMap(name, optional)), items, mode, optional, "config");
  } else if (secret !== undefined) {
    const { name = "", items, optional = false } = secret;
    addKeys(files, secretKeys(await objects.secret(name, optional)), items, mode, optional, "secret");
  } else if (downwardAPI !== undefined) {
    addFields(files, pod, downwardAPI.items, mode, allocatable);
  } else if (serviceAccountToken !== undefined) {
    const path = checkFilePath(serviceAccountToken.path);
    const token = await tokens.tokenFor(pod, serviceAccountToken, shown.get(path)?.toString(), signal);
    const uid = commonUser(pod);
    const isPrivate = uid !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
    files.set(path, { data: Buffer.from(token), mode: isPrivate ? TOKEN_MODE_PRIVATE : mode, uid });
  } else {
    const type = Object.keys(source).join(", ");
    throw new VolumeError(`projected volumes with ${type} are not supported yet on this node`, {
      code: "VolumeNotSupported",
    });
  }
}

function configMapKeys(configMap: ConfigMap | undefined): ReadonlyMap<string, Buffer> {
  const keys = new Map(Object.entries(configMap?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)]));
  for (const [key, encoded] of Object.entries(configMap?.binaryData ?? {}))
    keys.set(key, Buffer.from(encoded, "base64"));
  return keys;
}

function secretKeys(secret: Secret | undefined): ReadonlyMap<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const key of Object.keys(secret?.data ?? {}))
    keys.set(key, (secret && secretValue(secret, key)) ?? Buffer.alloc(0));
  return keys;
}

function addKeys(
  files: Map<string, VolumeFile>,
  keys: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  defaultMode: number,
  optional: boolean,
  what: "config" | "secret",
): void {
  if (items === undefined || items.length === 0) {
    for (const [key, data] of keys) files.set(checkFilePath(key), { data, mode: defaultMode });
    return;
  }
  for (const { key, path, mode = defaultMode } of items) {
    const data = keys.get(key);
    if (data !== undefined) files.set(checkFilePath(path), { data, mode });
    else if (!optional)
      throw new VolumeError(
        what === "config"
          ? `configmap references non-existent config key: ${key}`
          : `references non-existent secret key: ${key}`,
        { code: "VolumeSourceMissing" },
      );
  }
}

function addFields(
  files: Map<string, VolumeFile>,
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[] | undefined,
  defaultMode: number,
  allocatable: Allocatable,
): void {
  // Only what the pod's object says: addresses come too late for a file.
  const facts = { nodeName: "", hostIPs: [], podIPs: [] };
  for (const { path, mode = defaultMode, fieldRef, resourceFieldRef } of items ?? []) {
    let text = "";
    if (fieldRef !== undefined) text = fieldValue(pod, fieldRef.fieldPath, facts);
    else if (resourceFieldRef !== undefined)
      text = containerResourceValue(resourceFieldRef, pod, undefined, allocatable);
    files.set(checkFilePath(path), { data: Buffer.from(text), mode });
  }
}

/** The user that all containers run as, if the pod says so: then a token is readable by that user alone. */
function commonUser(pod: Pod): number | undefined {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const users = new Set(
    all.map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser),
  );
  const [user] = users;
  return users.size === 1 ? user : undefined;
}
