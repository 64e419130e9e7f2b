import type { CSIDriver } from "@kedge/kube";
import { hasCode, type Logger } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";

/** What a CSIDriver object says of how nodes are to treat the driver. */
export interface CsiSettings {
  /** The cluster attaches volumes to nodes first, and says so in a VolumeAttachment. */
  readonly attachRequired: boolean | "unknown";
  readonly podInfoOnMount: boolean;
  readonly fsGroupPolicy: "ReadWriteOnceWithFSType" | "File" | "None";
  readonly lifecycleModes: readonly string[];
  readonly requiresRepublish: boolean;
  readonly tokenRequests: readonly { readonly audience: string; readonly expirationSeconds: number | undefined }[];
  readonly tokensInSecrets: boolean;
}

type Spec = CSIDriver["spec"] & { readonly serviceAccountTokenInSecrets?: boolean };

/** Without a CSIDriver object Kubernetes' defaults hold. */
export function csiSettings(driver: CSIDriver | undefined): CsiSettings {
  const spec: Partial<Spec> = driver?.spec ?? {};
  const policy = spec.fsGroupPolicy;
  return {
    attachRequired: spec.attachRequired ?? true,
    podInfoOnMount: spec.podInfoOnMount ?? false,
    fsGroupPolicy: policy === "File" || policy === "None" ? policy : "ReadWriteOnceWithFSType",
    lifecycleModes: spec.volumeLifecycleModes ?? ["Persistent"],
    requiresRepublish: spec.requiresRepublish ?? false,
    tokenRequests: (spec.tokenRequests ?? []).map(({ audience, expirationSeconds }) => ({
      audience,
      expirationSeconds,
    })),
    tokensInSecrets: spec.serviceAccountTokenInSecrets ?? false,
  };
}

/**
 * @returns as the cloud has it, or had it. A stock cloud does not tell: then what the driver may do is left to the driver
 *   to say, and an attachment counts if there is one.
 * @throws `NotConnected`, `Timeout`: nobody can tell.
 */
export async function readCsiSettings(
  name: string,
  bus: EdgeBus,
  logger: Logger,
  signal: AbortSignal,
): Promise<CsiSettings> {
  try {
    return csiSettings(await bus.request("meta/getCsiDriver", { name }, signal));
  } catch (error) {
    if (!hasCode(error, "NotSupported")) throw error;
    logger.debug({ driver: name }, "a stock cloud does not tell of CSIDriver objects: defaults are taken");
    return { ...csiSettings(undefined), attachRequired: "unknown", lifecycleModes: ["Persistent", "Ephemeral"] };
  }
}
