import { RELEASE } from "../release.ts";
import { outputFormat, render } from "../text-output.ts";
import type { CommandGroup } from "./command-group.ts";

interface VersionInfo {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
  readonly nodeVersion: string;
  readonly platform: string;
}

function versionInfo(): VersionInfo {
  const [major = "", minor = ""] = RELEASE.split(".");
  return {
    major,
    minor,
    gitVersion: `v${RELEASE}`,
    nodeVersion: process.version,
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
}

export const versionCommand: CommandGroup = (keadm, session) => {
  keadm
    .command("version")
    .description("print the version of keadm")
    .option("-o, --output <format>", "yaml, json or short", "text")
    .action(({ output }: { output: string }) => {
      const format = outputFormat(output, ["text", "yaml", "json", "short"]);
      const info = versionInfo();
      if (format === "short") session.print(info.gitVersion);
      else if (format === "text")
        session.print(`version: kedge ${info.gitVersion} (Node ${info.nodeVersion}, ${info.platform})`);
      else session.print(render(info, format));
    });
};
