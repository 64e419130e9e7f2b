import { type TokenRecord, TokenStore } from "@kedge/cloud";
import { systemClock } from "@kedge/runtime";
import { connectCluster } from "../cloud/connect-cluster.ts";
import { table } from "../text-output.ts";

/** A token as `-o json` shows it; times are RFC 3339. */
export interface ListedToken {
  readonly id: string;
  readonly state: "valid" | "expired" | "used up";
  readonly node?: string;
  readonly description?: string;
  readonly created: string;
  readonly expires: string;
  readonly uses: number;
  readonly usesMax?: number;
  readonly lastUse?: { readonly node: string; readonly at: string; readonly address: string };
}

/** The oldest first. */
export async function listTokens(kubeConfig: string | undefined, signal: AbortSignal): Promise<ListedToken[]> {
  await using kube = connectCluster(kubeConfig);
  const now = systemClock.now();
  return (await new TokenStore(kube).list(signal)).map((record) => listed(record, now));
}

export function listed(record: TokenRecord, nowMs: number): ListedToken {
  const { id, node, description, createdMs, expiresMs, uses, usesMax, lastUse } = record;
  return {
    id,
    state: expiresMs <= nowMs ? "expired" : usesMax !== undefined && uses >= usesMax ? "used up" : "valid",
    ...(node !== undefined && { node }),
    ...(description !== undefined && { description }),
    created: iso(createdMs),
    expires: iso(expiresMs),
    uses,
    ...(usesMax !== undefined && { usesMax }),
    ...(lastUse !== undefined && {
      lastUse: { node: lastUse.node, at: iso(lastUse.atMs), address: lastUse.address },
    }),
  };
}

export function tokenTable(tokens: readonly ListedToken[]): string {
  const rows = tokens.map(({ id, state, node, expires, uses, usesMax, lastUse, description }) => [
    id,
    state,
    node ?? "any",
    expires,
    `${uses}/${usesMax ?? "∞"}`,
    lastUse === undefined ? "never" : `${lastUse.node} at ${lastUse.at} from ${lastUse.address}`,
    description ?? "",
  ]);
  return table([["ID", "STATE", "NODE", "EXPIRES", "USES", "LAST USED BY", "DESCRIPTION"], ...rows]);
}

function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "unknown" : date.toISOString().replace(/\.\d+Z$/, "Z");
}
