import { InvalidArgumentError } from "commander";
import { type CommandGroup, KUBE_CONFIG } from "../command/command-group.ts";
import { outputFormat, render } from "../text-output.ts";
import { readTtl } from "./read-ttl.ts";

const TTL_DEFAULT = "24h";

function uses(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("not a number of uses");
}

interface CreateFlags {
  readonly kubeConfig?: string;
  readonly node?: string;
  readonly ttl?: number;
  readonly singleUse: boolean;
  readonly uses?: number;
  readonly description?: string;
  readonly output: string;
}

/** `keadm token create|list|delete`: join tokens that are bound, counted and revocable. */
export const tokenCommand: CommandGroup = (keadm, session) => {
  const token = keadm.command("token").description("make, list and revoke tokens with which edge nodes join");
  token
    .command("create")
    .description("print a new join token; it is not shown again")
    .option(...KUBE_CONFIG)
    .option("--node <name>", "only this node may join with it")
    .option("--ttl <duration>", `how long it is good for, such as 90m or 7d (default: ${TTL_DEFAULT})`, readTtl)
    .option("--single-use", "one node may join with it, once", false)
    .option("--uses <number>", "how often it may be used (default: as often as one likes)", uses)
    .option("--description <text>", "what it is for")
    .option("-o, --output <format>", "text or json", "text")
    .action(async ({ kubeConfig, output, ttl: ttlMs = readTtl(TTL_DEFAULT), ...flags }: CreateFlags) => {
      const format = outputFormat(output, ["text", "json"]);
      const { createToken } = await import("./create-token.ts");
      const made = await createToken(kubeConfig, { ...flags, ttlMs }, session.signal);
      session.print(format === "json" ? render(made, "json") : made.token);
    });
  token
    .command("list")
    .description("show the tokens that there are, and who used them last")
    .option(...KUBE_CONFIG)
    .option("-o, --output <format>", "text or json", "text")
    .action(async ({ kubeConfig, output }: { kubeConfig?: string; output: string }) => {
      const format = outputFormat(output, ["text", "json"]);
      const { listTokens, tokenTable } = await import("./list-tokens.ts");
      const tokens = await listTokens(kubeConfig, session.signal);
      if (format === "json") session.print(render(tokens, "json"));
      else if (tokens.length > 0) session.print(tokenTable(tokens));
      else session.tell("no tokens: make one with keadm token create");
    });
  token
    .command("delete")
    .description("revoke tokens: from now on nobody joins with them; nodes that have joined stay")
    .argument("[id...]", "what keadm token list shows, or whole tokens")
    .option(...KUBE_CONFIG)
    .option("--all-expired", "those that have expired or are used up", false)
    .action(async (ids: string[], { kubeConfig, allExpired }: { kubeConfig?: string; allExpired: boolean }) => {
      const { deleteTokens } = await import("./delete-tokens.ts");
      for (const id of await deleteTokens(kubeConfig, ids, allExpired, session.signal))
        session.print(`token ${id} deleted`);
    });
};
