import { type Command, InvalidArgumentError } from "commander";
import type { EdgeFlags, UpgradeEdgeFlags } from "../edge/change-edge.ts";
import { hostPaths } from "../host/host-paths.ts";
import { outputFormat, render, table } from "../text-output.ts";
import { collect, type CommandGroup, ROOT_DIR } from "./command-group.ts";

const TIMEOUT_SECONDS_DEFAULT = 120;

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("not a number of seconds");
}

function edgeFlags(command: Command): Command {
  return command
    .option("--config <file>", "edgecore.yaml (default: /etc/kubeedge/config/edgecore.yaml)")
    .option("--pre-run <file>", "a program to run first; if it fails nothing is done")
    .option("--post-run <file>", "a program to run last")
    .option("--timeout <seconds>", "how long to wait for the node to be Ready", seconds, TIMEOUT_SECONDS_DEFAULT)
    .option(...ROOT_DIR);
}

const edge = () => import("../edge/change-edge.ts");

export const configUpdateCommand: CommandGroup = (keadm, session) => {
  edgeFlags(keadm.command("config-update"))
    .description("change edgecore.yaml and start edgecore anew")
    .requiredOption("--set <key=value,...>", "a key that does not exist is an error", collect, [])
    .option("--force", "keep it also if the node was connected, and is not Ready in time", false)
    .action(async (flags: EdgeFlags & { set: string[]; force: boolean }) =>
      (await edge()).updateConfig(flags, session),
    );
};

export const backupCommand: CommandGroup = (keadm, session) => {
  const backup = keadm.command("backup").description("keep a copy of what edgecore is and knows");
  edgeFlags(backup.command("edge"))
    .description("copy database, configuration and program to /etc/kubeedge/backup")
    .option("-o, --output <format>", "text or json", "text")
    .action(async (flags: EdgeFlags & { output: string }) => {
      const format = outputFormat(flags.output, ["text", "json"]);
      const made = await (await edge()).backupEdge(flags, session);
      session.print(format === "json" ? render(made, "json") : `backup of v${made.version}: ${made.folder}`);
    });
};

export const rollbackCommand: CommandGroup = (keadm, session) => {
  const rollback = keadm.command("rollback").description("go back to a backup");
  edgeFlags(rollback.command("edge"))
    .description("put database, configuration and program of a backup back, and start edgecore")
    .option("--historical-version <version>", "of the backup, or its whole name (default: the newest)")
    .option("--list", "print the backups that there are, the newest first, and do nothing", false)
    .option("-o, --output <format>", "of --list: text or json", "text")
    .action(async (flags: EdgeFlags & { historicalVersion?: string; list: boolean; output: string }) => {
      const format = outputFormat(flags.output, ["text", "json"]);
      if (flags.list) {
        const all = (await import("../edge/backup.ts")).listBackups(hostPaths(flags.rootDir));
        if (all.length === 0) session.tell("there is none: make one with keadm backup edge");
        const rows = all.map(({ name, version, madeAt }) => [name, `v${version}`, madeAt]);
        session.print(format === "json" ? render(all, "json") : table([["NAME", "VERSION", "MADE"], ...rows]));
        return;
      }
      const { version } = await (await edge()).rollbackEdge(flags, session);
      session.print(`edgecore is v${version}`);
    });
};

/** @param upgrade the command `upgrade`. */
export const upgradeEdgeCommand: CommandGroup = (upgrade, session) => {
  const idle = [
    "--image <image>",
    "--image-digest <digest>",
    "--upgradeID <id>",
    "--historyID <id>",
    "--fromVersion <v>",
    "--type <t>",
  ];
  const command = edgeFlags(upgrade.command("edge"))
    .description("make this host's edgecore the one of this release, and go back if it does not become Ready")
    .option("--toVersion <version>", "this release's is the only one that it can be")
    .option("--force", "do not ask", false)
    .option("--disable-backup", "do not make a backup, and so do not go back by itself", false);
  for (const flag of idle) command.option(flag, "accepted, without effect: nothing is pulled");
  command.action(async (flags: UpgradeEdgeFlags) => (await edge()).upgradeEdge(flags, session));
};
