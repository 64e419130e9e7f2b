import { connectCluster } from "../cloud/connect-cluster.ts";
import { readToken } from "../cloud/read-token.ts";
import { outputFormat, render } from "../text-output.ts";
import { type CommandGroup, KUBE_CONFIG } from "./command-group.ts";

export const gettokenCommand: CommandGroup = (keadm, session) => {
  keadm
    .command("gettoken")
    .description("print the token with which edge nodes join")
    .option(...KUBE_CONFIG)
    .option("-o, --output <format>", "text or json", "text")
    .action(async (flags: { kubeConfig?: string; output: string }) => {
      const format = outputFormat(flags.output, ["text", "json"]);
      await using kube = connectCluster(flags.kubeConfig);
      const token = await readToken(kube, session.signal);
      session.print(format === "json" ? render(token, "json") : token.token);
    });
};
