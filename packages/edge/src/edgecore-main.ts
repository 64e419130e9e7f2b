import "./edgecore-doctor-process.ts"; // before all else
import "./edgecore-lean-process.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { defaultEdgeCoreConfig, type EdgeCoreConfig, loadEdgeCoreConfig, minEdgeCoreConfig } from "@kedge/api";
import { ConfigError, createLogger, giveBackMemory, type Logger, toError } from "@kedge/runtime";
import packageJson from "../package.json" with { type: "json" };
import { blankToken, EDGECORE_CONFIG_FILE } from "./edgecore-config-file.ts";
import { hostFacts, runningKubelet } from "./edgecore-host.ts";
import { startEdgeCore, SUPPORTED_SWITCHES } from "./edgecore.ts";

/** Stopping in good order may take this long; then we go as we are: everything that matters is on disk. */
const STOP_MS_MAX = 10_000;
const USAGE = `Usage: edgecore [--config FILE] [--defaultconfig | --minconfig | --version]
       edgecore doctor [--config FILE] [--output text|json]

  --config FILE     KubeEdge's edgecore.yaml; default ${EDGECORE_CONFIG_FILE}
  --defaultconfig   print every key with its default
  --minconfig       print the keys that are commonly changed
  --version         print the version
  doctor            check all that edgecore needs, and say what to do`;

function readArguments() {
  try {
    return parseArgs({
      // KubeEdge's flag takes a value, too: --version=raw.
      args: process.argv.slice(2).map((argument) => (argument.startsWith("--version=") ? "--version" : argument)),
      options: {
        config: { type: "string", default: EDGECORE_CONFIG_FILE },
        defaultconfig: { type: "boolean" },
        minconfig: { type: "boolean" },
        version: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    return fail(new Error(`${toError(error).message}; see edgecore --help`, { cause: error }));
  }
}

function main(): void {
  const { values } = readArguments();
  if (values.help === true) process.stdout.write(`${USAGE}\n`);
  else if (values.version === true) process.stdout.write(`Kedge v${packageJson.version}\n`);
  else if (values.defaultconfig === true) process.stdout.write(defaultEdgeCoreConfig(hostFacts()));
  else if (values.minconfig === true) process.stdout.write(minEdgeCoreConfig(hostFacts()));
  else void run(values.config);
}

async function run(configPath: string): Promise<void> {
  const logger = createLogger({ program: "edgecore" });
  const stop = new AbortController();
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGQUIT"] as const) process.once(name, resolve);
  });
  process.on("SIGHUP", () => logger.info("SIGHUP changes nothing: restart edgecore to apply its configuration"));
  void signalled.then((name) => stop.abort(new Error(`stopped by ${name}`)));
  try {
    const config = readConfig(configPath, logger);
    checkHost(config);
    const onTokenUsed = () => forgetToken(configPath, logger);
    const agentVersion = packageJson.version;
    const edgeCore = await startEdgeCore(config, { logger, agentVersion, onTokenUsed }, stop.signal);
    logger.info({ nodeName: config.modules.edged.hostnameOverride, agentVersion }, "edgecore runs");
    giveBackMemory();
    logger.info({ signal: await signalled }, "edgecore stops");
    setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
    await edgeCore.disposeAsync();
    process.exit(0);
  } catch (thrown) {
    if (stop.signal.aborted) process.exit(0);
    fail(toError(thrown));
  }
}

function readConfig(path: string, logger: Logger): EdgeCoreConfig {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(
      `cannot read the configuration ${path}: ${toError(error).message}; name it with --config, or write one: edgecore --minconfig > ${path}`,
      { cause: error },
    );
  }
  try {
    const { config, warnings } = loadEdgeCoreConfig(text, hostFacts(), { supported: SUPPORTED_SWITCHES });
    for (const { message, path: key } of warnings) logger.warn({ key }, message);
    return config;
  } catch (error) {
    throw error instanceof ConfigError ? error.in(path) : error;
  }
}

/** KubeEdge's own check, with its own way to switch it off. */
function checkHost({ modules }: EdgeCoreConfig): void {
  if (!modules.edged.enable || process.env["CHECK_EDGECORE_ENVIRONMENT"] === "false") return;
  const kubelet = runningKubelet();
  if (kubelet === undefined) return;
  throw new Error(
    `a kubelet runs on this host (process ${kubelet}) and would fight with edgecore over the same containers: stop it, or set CHECK_EDGECORE_ENVIRONMENT=false`,
  );
}

function forgetToken(configPath: string, logger: Logger): void {
  try {
    blankToken(configPath);
  } catch (error) {
    logger.warn({ configPath, error: toError(error) }, "the used join token stays in the configuration");
  }
}

/** One sentence for people; the whole story only for those who ask for it. */
function fail(error: Error): never {
  process.stderr.write(`edgecore: ${error.message}\n`);
  if (process.env["KEDGE_DEBUG"] === "true") process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", (reason) => fail(toError(reason)));
main();
