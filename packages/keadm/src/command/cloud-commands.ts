import { type Command, InvalidArgumentError } from "commander";
import type { InstallFlags, UpgradeFlags } from "../cloud/install.ts";
import { type CloudFlags, renderCloud } from "../cloud/cloud-flags.ts";
import { renderObjects } from "../cloud/manifest-files.ts";
import { outputFormat, render } from "../text-output.ts";
import { collect, type CommandGroup, KUBE_CONFIG } from "./command-group.ts";

const TIMEOUT_SECONDS_DEFAULT = 60;

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("not a number of seconds");
}

/** What `init`, `manifest` and `upgrade cloud` share. */
function valueFlags(command: Command): Command {
  return command
    .option(...KUBE_CONFIG)
    .option("--kubeedge-version <version>", "tag of the cloudcore image (default: this release's)")
    .option("--advertise-address <address,...>", "what edges dial; goes into cloudcore's certificate")
    .option("--image-repository <repository>", "registry and organisation of the image")
    .option(
      "--set <key=value,...>",
      "values as in KubeEdge's chart; a key that does not exist is an error",
      collect,
      [],
    )
    .option("--profile <file>", "a file of values, or version=vX.Y.Z", collect, [])
    .option("-f, --files <file,...>", "further manifests", collect, [])
    .option("--manifests <file,...>", "as --files")
    .option("--external-helm-root <dir>", "not supported: keadm renders its own objects")
    .option("--skip-crds", "without the CRDs", false);
}

function installFlags(command: Command): Command {
  return valueFlags(command)
    .option("-d, --dry-run", "print what would be applied, and do nothing", false)
    .option("--force", "do not look for a cloudcore on this host, and do not wait", false)
    .option("--skip-preflight-checks", "do not look at the cluster first", false)
    .option("--timeout <seconds>", "how long to wait for cloudcore", seconds, TIMEOUT_SECONDS_DEFAULT)
    .option("-o, --output <format>", "text or json", "text");
}

export const initCommand: CommandGroup = (keadm, session) => {
  installFlags(keadm.command("init"))
    .description("install cloudcore in the cluster")
    .action(async (flags: InstallFlags) => {
      outputFormat(flags.output, ["text", "json"]);
      await (await import("../cloud/install.ts")).init(flags, session);
    });
};

export const manifestCommand: CommandGroup = (keadm, session) => {
  valueFlags(keadm.command("manifest"))
    .description("print what init would apply")
    .argument("[generate]", "as KubeEdge's documentation writes it; without effect")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .action((_: string | undefined, flags: CloudFlags & { output: string }) => {
      const format = outputFormat(flags.output, ["yaml", "json"]);
      const { objects, warnings } = renderCloud(flags);
      for (const warning of warnings) session.tell(`! ${warning}`);
      const list = { apiVersion: "v1", kind: "List", items: objects };
      session.print(format === "json" ? render(list, "json") : renderObjects(objects).trimEnd());
    });
};

/** @param upgrade the command `upgrade`. */
export const upgradeCloudCommand: CommandGroup = (upgrade, session) => {
  installFlags(upgrade.command("cloud"))
    .description("change cloudcore, and upgrade the CRDs")
    .option("--values <file>", "a file of values", collect, [])
    .option("--reuse-values", "begin with the values that it has", false)
    .option("--print-final-values", "print the values that result", false)
    .action(async (flags: UpgradeFlags) => {
      outputFormat(flags.output, ["text", "json"]);
      await (await import("../cloud/install.ts")).upgradeCloud(flags, session);
    });
};
