import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { Command } from "commander";
import { CodedError, createLogger, isAbort, toError } from "@kedge/runtime";
import { loadCloudCoreConfig } from "@kedge/api";
import { CLOUDCORE_SUPPORTED } from "@kedge/cloud";
import { startControlPlane } from "./control-plane/control-plane.ts";
import { down } from "./down.ts";
import { logs } from "./logs.ts";
import { STATE_DIR_DEFAULT, statePaths } from "./state-paths.ts";
import { status } from "./status.ts";
import { oneLine, whenInterrupted } from "./terminal-words.ts";
import { UserError } from "./user-error.ts";
import { Progress } from "./up/progress.ts";
import { up } from "./up/up.ts";
import { readNodeName, readPort, readStateDir } from "./up/read-options.ts";
import { PORTS_DEFAULT } from "./up/up-options.ts";
import { nodeNameDefault } from "./up/up-record.ts";

/** As shells say of a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

// Whoever reads our output may stop reading (| head): that is no error.
process.stdout.on("error", () => undefined);
const life = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => life.abort());

// One style for all complaints: PROGRAM: what, where, what to do.
const program = new Command("kedge").configureOutput({
  outputError: (text, write) => write(`kedge: ${oneLine(text)}; see ./kedge help\n`),
});
const stateDir = ["--state-dir <dir>", "where everything is kept", readStateDir, STATE_DIR_DEFAULT] as const;

program
  .command("up")
  .description("a Kubernetes API, an edge node and a sample app and device on this machine")
  .option(...stateDir)
  .option("--node-name <name>", "the node's name", readNodeName, nodeNameDefault())
  .option("--kubeconfig <file>", "use that cluster, not the embedded one")
  .option("--no-sample", "without the sample app and device")
  .option("--api-port <port>", "of the Kubernetes API", readPort("--api-port"), PORTS_DEFAULT.api)
  .option("--cloudhub-port <port>", "of CloudHub's WebSocket", readPort("--cloudhub-port"), PORTS_DEFAULT.cloudHub)
  .option("--https-port <port>", "of CloudHub's certificates", readPort("--https-port"), PORTS_DEFAULT.https)
  .option("--mqtt-port <port>", "of the node's MQTT broker", readPort("--mqtt-port"), PORTS_DEFAULT.mqtt)
  .option(
    "--status-port <port>",
    `of edgecore's /status (${PORTS_DEFAULT.status}, or a free one)`,
    readPort("--status-port"),
  )
  .option(
    "--tunnel-port <port>",
    `where nodes open their tunnels (${PORTS_DEFAULT.tunnel}, or a free one)`,
    readPort("--tunnel-port"),
  )
  .option(
    "--stream-port <port>",
    `where the API server reaches through them (${PORTS_DEFAULT.stream}, or a free one)`,
    readPort("--stream-port"),
  )
  .option(
    "--monitor-port <port>",
    `of cloudcore's /readyz (${PORTS_DEFAULT.monitor}, or a free one)`,
    readPort("--monitor-port"),
  )
  .action(
    async (given: {
      stateDir: string;
      nodeName: string;
      kubeconfig?: string;
      sample: boolean;
      apiPort: number;
      cloudhubPort: number;
      httpsPort: number;
      mqttPort: number;
      statusPort?: number;
      monitorPort?: number;
      tunnelPort?: number;
      streamPort?: number;
    }) => {
      const ports = {
        api: given.apiPort,
        cloudHub: given.cloudhubPort,
        https: given.httpsPort,
        mqtt: given.mqttPort,
        ...(given.statusPort !== undefined && { status: given.statusPort }),
        ...(given.monitorPort !== undefined && { monitor: given.monitorPort }),
        ...(given.tunnelPort !== undefined && { tunnel: given.tunnelPort }),
        ...(given.streamPort !== undefined && { stream: given.streamPort }),
      };
      await up({ ...given, ports }, new Progress(), life.signal);
    },
  );

program
  .command("down")
  .description("stop it")
  .option(...stateDir)
  .option("--purge", "also remove everything it left", false)
  .action(async (given: { stateDir: string; purge: boolean }) => down(given, new Progress(), life.signal));

program
  .command("status")
  .description("what runs, and how it is")
  .option(...stateDir)
  .action(async (given: { stateDir: string }) => {
    const { text, well } = await status(given.stateDir, life.signal);
    new Progress().say(text);
    if (!well) process.exitCode = 1;
  });

program
  .command("logs [which]")
  .description("the log of 'cloud', 'edge', 'containerd' or 'sensor'")
  .option(...stateDir)
  .option("-f, --follow", "go on as it grows", false)
  .action(async (which: string | undefined, given: { stateDir: string; follow: boolean }) =>
    logs(given.stateDir, which, given.follow, life.signal),
  );

interface ServeOptions {
  stateDir: string;
  address: string;
  apiPort: number;
  config?: string;
  volumesOf?: string;
}

program
  .command("apiserver")
  .description("the embedded control plane alone, in the foreground")
  .option(...stateDir)
  .option("--address <ip>", "to listen on", "127.0.0.1")
  .option("--api-port <port>", "of the Kubernetes API", readPort("--api-port"), PORTS_DEFAULT.api)
  .action(serve);

program
  .command("control-plane", { hidden: true })
  .option(...stateDir)
  .option("--address <ip>", "to listen on", "127.0.0.1")
  .option("--api-port <port>", "of the Kubernetes API", readPort("--api-port"), PORTS_DEFAULT.api)
  .requiredOption("--config <file>", "cloudcore.yaml")
  .option("--volumes-of <node>", "the node that is this machine: its directories are claims' volumes")
  .action(serve);

async function serve(given: ServeOptions): Promise<void> {
  const logger = createLogger({ program: given.config === undefined ? "apiserver" : "control-plane" });
  const paths = statePaths(given.stateDir);
  const loaded =
    given.config === undefined
      ? undefined
      : loadCloudCoreConfig(
          await readConfig(given.config),
          { hostname: hostname(), localIP: "127.0.0.1" },
          { supported: CLOUDCORE_SUPPORTED },
        );
  for (const warning of loaded?.warnings ?? []) logger.warn({ path: warning.path }, warning.message);
  await using controlPlane = await startControlPlane(
    {
      stateDir: paths.cloud.api,
      kubeconfig: paths.kubeconfig,
      address: given.address,
      port: given.apiPort,
      ...(loaded !== undefined && { cloudCore: loaded.config }),
      ...(given.volumesOf !== undefined && { localPath: { directory: paths.volumes, nodeName: given.volumesOf } }),
    },
    logger,
    life.signal,
  );
  logger.info({ url: controlPlane.api.url, kubeconfig: paths.kubeconfig }, "ready");
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  life.signal.addEventListener("abort", () => resolve(), { once: true });
  await stopped;
}

async function readConfig(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UserError(
      `cannot read the configuration ${file}: ${toError(error).message}; write one with ./kedge cloudcore --minconfig > ${file}`,
      "config",
      { cause: error },
    );
  }
}

try {
  await program.parseAsync();
} catch (error) {
  const { message, stack } = toError(error);
  // A program that serves may stop for a reason of its own while it is asked to.
  const interrupted =
    life.signal.aborted && (isAbort(error, life.signal) || process.argv[2] === "up" || process.argv[2] === "down");
  const said = interrupted
    ? whenInterrupted(process.argv[2], process.argv.slice(3))
    : error instanceof CodedError
      ? message
      : (stack ?? message);
  process.stderr.write(`kedge: ${said}\n`);
  process.exitCode = interrupted ? EXIT_INTERRUPTED : 1;
}
