import type { PluginServices, StageRequest } from "@kedge/cri";
import type { ObjectKey, Pod } from "@kedge/kube";
import type { EdgeBus } from "../../edge-messages.ts";
import type { CsiDriver } from "./csi-drivers.ts";
import type { CsiSettings } from "./csi-settings.ts";
import type { CsiVolume } from "./csi-volume.ts";
import { VolumeError } from "../volumes/volume-error.ts";

type Capability = NonNullable<StageRequest["volumeCapability"]>;

/** What the volume is to be used for, as the driver is told at each of its calls. @param group the pod's, if the driver takes it. */
export function capabilityOf(
  volume: CsiVolume,
  { capabilities }: CsiDriver,
  group: number | undefined,
  modes: PluginServices["CsiAccessMode"],
): Capability {
  const [mode = "ReadWriteOnce"] = volume.accessModes;
  const several = capabilities.singleNodeMultiWriter;
  const accessModes: Readonly<Record<string, number>> = {
    ReadWriteOnce: several ? modes.SINGLE_NODE_MULTI_WRITER : modes.SINGLE_NODE_WRITER,
    ReadOnlyMany: modes.MULTI_NODE_READER_ONLY,
    ReadWriteMany: modes.MULTI_NODE_MULTI_WRITER,
    ReadWriteOncePod: several ? modes.SINGLE_NODE_SINGLE_WRITER : modes.SINGLE_NODE_WRITER,
  };
  const volumeMountGroup = group !== undefined && capabilities.volumeMountGroup ? String(group) : "";
  return {
    accessType: {
      case: "mount",
      value: { fsType: volume.fsType, mountFlags: [...volume.mountOptions], volumeMountGroup },
    },
    accessMode: { mode: accessModes[mode] ?? modes.UNKNOWN },
  };
}

/** A Secret's values as the driver gets them. @throws VolumeError */
export async function secretsOf(
  key: ObjectKey | undefined,
  what: string,
  bus: EdgeBus,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (key === undefined) return {};
  const secret = await bus.request("meta/getSecret", key, signal);
  if (secret === undefined)
    throw new VolumeError(`fetching ${what} ${key.namespace}/${key.name} failed: secret "${key.name}" not found`, {
      code: "VolumeSourceMissing",
    });
  return Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]),
  );
}

/** What the driver wants to know of the pod. */
export function podInfo({ metadata = {}, spec }: Pod, { lifecycle }: CsiVolume): Record<string, string> {
  return {
    "csi.storage.k8s.io/pod.name": metadata.name ?? "",
    "csi.storage.k8s.io/pod.namespace": metadata.namespace ?? "",
    "csi.storage.k8s.io/pod.uid": metadata.uid ?? "",
    "csi.storage.k8s.io/serviceAccount.name": spec?.serviceAccountName ?? "",
    "csi.storage.k8s.io/ephemeral": String(lifecycle === "Ephemeral"),
  };
}

/** Tokens of the pod's service account for the audiences that the driver asks for. */
export async function tokensOf(
  { metadata, spec }: Pod,
  { tokenRequests }: CsiSettings,
  bus: EdgeBus,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (tokenRequests.length === 0) return {};
  const { name = "", namespace = "", uid = "" } = metadata ?? {};
  const tokens: Record<string, object> = {};
  for (const { audience, expirationSeconds } of tokenRequests) {
    const reply = await bus.request(
      "meta/requestToken",
      {
        namespace,
        serviceAccount: spec?.serviceAccountName ?? "default",
        token: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: {
            audiences: audience === "" ? [] : [audience],
            ...(expirationSeconds !== undefined && { expirationSeconds }),
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
          },
        },
      },
      signal,
    );
    tokens[audience] = reply.status ?? {};
  }
  return { "csi.storage.k8s.io/serviceAccount.tokens": JSON.stringify(tokens) };
}

/** Whether the files of the volume are to be given to the pod's group by us. */
export function ownsByGroup(volume: CsiVolume, { capabilities }: CsiDriver, { fsGroupPolicy }: CsiSettings): boolean {
  if (capabilities.volumeMountGroup || fsGroupPolicy === "None" || volume.readOnly) return false;
  if (fsGroupPolicy === "File") return true;
  const once = ["ReadWriteOnce", "ReadWriteOncePod"];
  return volume.fsType !== "" && volume.accessModes.some((mode) => once.includes(mode));
}
