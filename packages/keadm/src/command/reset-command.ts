import type { Command } from "commander";
import type { ResetEdgeFlags } from "../edge/reset-edge.ts";
import type { ResetCloudFlags } from "../cloud/reset-cloud.ts";
import { type CommandGroup, KUBE_CONFIG, ROOT_DIR } from "./command-group.ts";

function edgeFlags(command: Command): Command {
  return command
    .option("--force", "do not ask", false)
    .option("-p, --remote-runtime-endpoint <endpoint>", "container runtime (default: the one in edgecore.yaml)")
    .option("--pre-run <file>", "a program to run first; if it fails nothing is done")
    .option("--post-run <file>", "a program to run last")
    .option(...ROOT_DIR);
}

/** Of `keadm reset --force edge`: what stands before the subcommand counts, too. */
function givenFlags(command: Command): Partial<ResetEdgeFlags> {
  const given = Object.entries(command.opts<Partial<ResetEdgeFlags>>());
  return Object.fromEntries(given.filter(([name]) => command.getOptionValueSource(name) === "cli"));
}

export const resetCommand: CommandGroup = (keadm, session) => {
  const resetEdge = async (flags: ResetEdgeFlags) => (await import("../edge/reset-edge.ts")).resetEdge(flags, session);
  const reset = edgeFlags(keadm.command("reset"))
    .description("undo join or init; without a subcommand (deprecated): reset edge")
    .action(resetEdge);
  edgeFlags(reset.command("edge"))
    .description("undo keadm join on this host")
    .action((flags: ResetEdgeFlags) => resetEdge({ ...flags, ...givenFlags(reset) }));
  reset
    .command("cloud")
    .description("undo keadm init")
    .option(...KUBE_CONFIG)
    .option("--force", "do not ask", false)
    .option("--crds", "also remove the definitions of devices, and with them all devices", false)
    .action(async (flags: ResetCloudFlags) => {
      const { force } = givenFlags(reset);
      const { resetCloud } = await import("../cloud/reset-cloud.ts");
      await resetCloud({ ...flags, ...(force !== undefined && { force }) }, session);
    });
};
