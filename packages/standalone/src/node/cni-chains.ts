import { runCommand } from "../run-command.ts";

/** Chains of the nat table that CNI's portmap plugin shares among all its users and so never removes. */
const SHARED_CHAINS = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"] as const;
const JUMPS_FROM = ["PREROUTING", "OUTPUT", "POSTROUTING"] as const;

const iptables = (...args: string[]) => ["iptables", "-w", "5", "-t", "nat", ...args];

/** Those of the shared chains that exist already, and so are not ours to remove. */
export async function foreignChains(signal: AbortSignal): Promise<string[]> {
  const existing: string[] = [];
  for (const chain of SHARED_CHAINS)
    if ((await runCommand(iptables("-n", "-L", chain), signal)).code === 0) existing.push(chain);
  return existing;
}

/** Removes the shared chains, and the jumps to them, that did not exist before us, unless somebody fills them now. */
export async function removeOwnChains(foreign: readonly string[], signal: AbortSignal): Promise<void> {
  const own = SHARED_CHAINS.filter((chain) => !foreign.includes(chain));
  const rules = (await runCommand(iptables("-S"), signal)).stdout.split("\n");
  if (rules.some((rule) => /^-A CNI-HOSTPORT-DNAT .*-j CNI-DN-/.test(rule))) return; // another CNI user came after us
  for (const from of JUMPS_FROM)
    for (const rule of rules.filter((line) => line.startsWith(`-A ${from} `)))
      if (own.some((chain) => rule.includes(`-j ${chain}`)))
        await runCommand(iptables("-D", ...splitRule(rule).slice(1)), signal);
  for (const chain of own) await runCommand(iptables("-F", chain), signal);
  for (const chain of own) await runCommand(iptables("-X", chain), signal);
}

/** The words of a rule as `iptables -S` prints it: a comment with spaces is in double quotes. */
function splitRule(rule: string): string[] {
  return [...rule.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((word) => word[1] ?? word[2] ?? "");
}
