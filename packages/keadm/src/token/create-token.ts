import { isNodeName, TokenStore } from "@kedge/cloud";
import { systemClock } from "@kedge/runtime";
import { connectCluster } from "../cloud/connect-cluster.ts";
import { KeadmError } from "../keadm-error.ts";
import { type ListedToken, listed } from "./list-tokens.ts";

export interface TokenWish {
  readonly node?: string;
  readonly ttlMs: number;
  readonly singleUse: boolean;
  readonly uses?: number;
  readonly description?: string;
}

/** @throws KeadmError for what cannot be wished; PkiError `NoCa` if cloudcore has never run in this cluster */
export async function createToken(
  kubeConfig: string | undefined,
  { node, ttlMs, singleUse, uses, description }: TokenWish,
  signal: AbortSignal,
): Promise<ListedToken & { readonly token: string }> {
  if (singleUse && uses !== undefined)
    throw new KeadmError("BadInput", "--uses", "--single-use is --uses 1: give one of them");
  if (node !== undefined && !isNodeName(node))
    throw new KeadmError(
      "BadInput",
      "--node",
      `--node ${JSON.stringify(node)} is not a node name: use lower-case letters, digits, "-" and "."`,
    );
  await using kube = connectCluster(kubeConfig);
  const now = systemClock.now();
  const wanted = { node, ttlMs, description, usesMax: singleUse ? 1 : uses };
  try {
    const { token, record } = await new TokenStore(kube).create(wanted, now, signal);
    return { token, ...listed(record, now) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new KeadmError("BadInput", "token create", error.message, { cause: error });
  }
}
