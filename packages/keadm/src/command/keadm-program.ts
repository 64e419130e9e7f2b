import { Command } from "commander";
import type { Session } from "../session.ts";
import { tokenCommand } from "../token/token-command.ts";
import { absentCommands } from "./absent-commands.ts";
import { initCommand, manifestCommand } from "./cloud-commands.ts";
import type { CommandGroup } from "./command-group.ts";
import { configCommand } from "./config-command.ts";
import { debugCommand } from "./debug-command.ts";
import { backupCommand, configUpdateCommand, rollbackCommand } from "./edge-commands.ts";
import { gettokenCommand } from "./gettoken-command.ts";
import { joinCommand } from "./join-command.ts";
import { resetCommand } from "./reset-command.ts";
import { upgradeCommand } from "./upgrade-command.ts";
import { versionCommand } from "./version-command.ts";

/** In the order in which help shows them. */
const GROUPS: readonly CommandGroup[] = [
  initCommand,
  manifestCommand,
  gettokenCommand,
  tokenCommand,
  joinCommand,
  configUpdateCommand,
  backupCommand,
  upgradeCommand,
  rollbackCommand,
  resetCommand,
  debugCommand,
  configCommand,
  versionCommand,
  absentCommands,
];

/** keadm's command line: KubeEdge's commands and flags. */
export function keadmProgram(session: Session): Command {
  const keadm = new Command("keadm")
    .description("set up and look after cloudcore and edge nodes")
    .enablePositionalOptions() // `reset edge --force`: the flag is the subcommand's
    .showHelpAfterError("(--help lists what there is)");
  for (const add of GROUPS) add(keadm, session);
  return keadm;
}
