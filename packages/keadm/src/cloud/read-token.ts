import { type Secret, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import { KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";

const SECRET = { namespace: KUBEEDGE_NAMESPACE, name: "tokensecret" };
const KEY = "tokendata";

export interface SharedToken {
  readonly token: string;
  /** RFC 3339; absent if the token does not say. */
  readonly expiresAt?: string;
}

/** The token that cloudcore keeps for all edges. @throws KeadmError `NotFound` */
export async function readToken(kube: KubeClient, signal: AbortSignal): Promise<SharedToken> {
  let secret: Secret;
  try {
    secret = await kube.get(SECRETS, SECRET, signal);
  } catch (error) {
    if (!hasCode(error, "NotFound")) throw error;
    throw noToken("is not there", error);
  }
  const token = Buffer.from(secret.data?.[KEY] ?? "", "base64").toString("utf8");
  if (token === "") throw noToken(`has no ${KEY}`);
  const expiresAt = expiry(token);
  return { token, ...(expiresAt !== undefined && { expiresAt }) };
}

function noToken(what: string, cause?: unknown): KeadmError {
  const name = `${SECRET.namespace}/${SECRET.name}`;
  return new KeadmError(
    "NotFound",
    name,
    `Secret ${name} ${what}: cloudcore makes it when it starts, unless modules.cloudHub.sharedToken is false; take one of your own with keadm token create`,
    {
      cause,
    },
  );
}

function expiry(token: string): string | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[2] ?? "", "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" ? new Date(exp * 1000).toISOString() : undefined;
  } catch {
    return undefined;
  }
}
