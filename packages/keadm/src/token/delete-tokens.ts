import { TokenStore } from "@kedge/cloud";
import { systemClock } from "@kedge/runtime";
import { connectCluster } from "../cloud/connect-cluster.ts";
import { KeadmError } from "../keadm-error.ts";
import { listed } from "./list-tokens.ts";

/**
 * @param ids or whole tokens.
 * @returns the ids of those that are gone now.
 * @throws KeadmError `NotFound` for one that is not there; those before it are deleted then.
 */
export async function deleteTokens(
  kubeConfig: string | undefined,
  ids: readonly string[],
  allExpired: boolean,
  signal: AbortSignal,
): Promise<string[]> {
  if (ids.length === 0 && !allExpired)
    throw new KeadmError("BadInput", "token delete", "which token: name its id, or give --all-expired");
  await using kube = connectCluster(kubeConfig);
  const store = new TokenStore(kube);
  const deleted: string[] = [];
  for (const given of ids) {
    const id = idOf(given);
    if (!(await store.delete(id, signal)))
      throw new KeadmError("NotFound", "token delete", `there is no token ${id}: see keadm token list`);
    deleted.push(id);
  }
  if (!allExpired) return deleted;
  const now = systemClock.now();
  for (const record of await store.list(signal))
    if (listed(record, now).state !== "valid" && (await store.delete(record.id, signal))) deleted.push(record.id);
  return deleted;
}

/** Of a whole token, its id; never the token itself, which would end up in messages. */
function idOf(given: string): string {
  const [, , claims] = given.split(".");
  if (claims === undefined) return given;
  try {
    const { jti } = JSON.parse(Buffer.from(claims, "base64url").toString("utf8")) as { jti?: unknown };
    if (typeof jti === "string") return jti;
  } catch {
    // Said below.
  }
  throw new KeadmError(
    "BadInput",
    "token delete",
    "this token has no id: the token that all nodes share is revoked otherwise, see docs/SECURITY.md",
  );
}
