import { InvalidArgumentError } from "commander";
import type { JoinFlags } from "../join/join-options.ts";
import { outputFormat, render } from "../text-output.ts";
import { collect, type CommandGroup, ROOT_DIR, RUNTIME_ENDPOINT } from "./command-group.ts";

const TIMEOUT_SECONDS_DEFAULT = 120;
const TIMEOUT_SECONDS_MAX = 3600;

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= TIMEOUT_SECONDS_MAX) return value;
  throw new InvalidArgumentError(`not a number of seconds from 1 to ${TIMEOUT_SECONDS_MAX}`);
}

export const joinCommand: CommandGroup = (keadm, session) => {
  keadm
    .command("join")
    .description("make this host an edge node")
    .requiredOption("-e, --cloudcore-ipport <host:port>", "CloudHub's address; the other ports are on the same host")
    .option("-t, --token <token>", "join token, as keadm gettoken prints it")
    .option("-s, --certport <port>", "cloudcore's HTTPS port (default: 10002)")
    .option("-i, --edgenode-name <name>", "name of the node (default: the host's)")
    .option("-p, --remote-runtime-endpoint <endpoint>", `container runtime (CRI) (default: ${RUNTIME_ENDPOINT})`)
    .option("--cgroupdriver <driver>", "cgroupfs or systemd (default: the runtime's)")
    .option("--certPath <dir>", "folder of the node's certificate (default: /etc/kubeedge/certs)")
    .option("--hub-protocol <protocol>", "websocket; quic is not there yet", "websocket")
    .option("-l, --labels <key=value,...>", "labels of the node", collect, [])
    .option("--set <key=value,...>", "values of edgecore.yaml; a key that does not exist is an error", collect, [])
    .option("--pre-run <file>", "a program to run first; if it fails nothing is done")
    .option("--post-run <file>", "a program to run last")
    .option("--kubeedge-version [version]", "accepted, without effect: edgecore is this release's")
    .option("--image-repository <repository>", "accepted, without effect: no image is pulled")
    .option("--tarballpath <dir>", "accepted, without effect: nothing is downloaded")
    .option("--timeout <seconds>", "how long to wait for the node to be Ready", seconds, TIMEOUT_SECONDS_DEFAULT)
    .option("--skip-preflight-checks", "do not look at the container runtime first", false)
    .option(...ROOT_DIR)
    .option("-o, --output <format>", "text or json", "text")
    .action(async (flags: JoinFlags) => {
      const format = outputFormat(flags.output, ["text", "json"]);
      const { join } = await import("../join/join.ts"); // with the agent's code, which other commands do without
      const result = await join(flags, session);
      session.print(
        format === "json"
          ? render(result, "json")
          : `\nThis host is node ${result.node} of ${result.cloud}.\nConfiguration: ${result.config}\nLog: ${result.log}`,
      );
    });
};
