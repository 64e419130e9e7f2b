import type { EdgeBus } from "../../edge-messages.ts";
import { VolumeError } from "../volumes/volume-error.ts";
import type { CsiSettings } from "./csi-settings.ts";
import type { CsiVolume } from "./csi-volume.ts";
import { attachmentName } from "./volume-data.ts";

/**
 * What the driver's controller told of attaching the volume to this node; nothing where that is not its way.
 *
 * @throws VolumeError `NotAttached`: the cluster has not done it yet, or failed to.
 */
export async function publishContextOf(
  volume: CsiVolume,
  { attachRequired }: CsiSettings,
  nodeName: string,
  bus: EdgeBus,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (volume.lifecycle === "Ephemeral" || attachRequired === false) return {};
  const name = attachmentName(volume.handle, volume.driver, nodeName);
  const attachment = await bus.request("meta/getVolumeAttachment", { name }, signal);
  if (attachment === undefined) {
    if (attachRequired === "unknown") return {}; // the driver will miss it if it needs it
    throw new VolumeError(
      `volume ${volume.name} is not attached to this node yet: there is no VolumeAttachment ${name}`,
      { code: "NotAttached" },
    );
  }
  const { attached = false, attachError, attachmentMetadata = {} } = attachment.status ?? {};
  if (attached) return attachmentMetadata;
  const why = attachError?.message === undefined ? "" : `: ${attachError.message}`;
  throw new VolumeError(`volume ${volume.name} is not attached to this node yet${why}`, { code: "NotAttached" });
}
