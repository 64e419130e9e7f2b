import "./cloudcore-doctor-process.ts"; // before all else
import "./cloudcore-lean-process.ts";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import {
  type CloudCoreConfig,
  defaultCloudCoreConfig,
  type HostFacts,
  loadCloudCoreConfig,
  minCloudCoreConfig,
} from "@kedge/api";
import { connectKube, inClusterConnection, type KubeConnection, loadKubeconfig } from "@kedge/kube-client";
import {
  ConfigError,
  createLogger,
  giveBackMemory,
  type LoadedConfig,
  type Logger,
  systemClock,
  toError,
} from "@kedge/runtime";
import packageJson from "../package.json" with { type: "json" };
import { CLOUDCORE_CONFIG_FILE } from "./cloudcore-config-file.ts";
import { CLOUDCORE_SUPPORTED, localAddress, startCloudCore } from "./cloudcore.ts";
import { startWhenReachable } from "./start-when-reachable.ts";

const USAGE = `Usage: cloudcore [--config FILE] [--defaultconfig | --minconfig | --version]
       cloudcore doctor [--config FILE] [--output text|json]

  --config FILE     KubeEdge's cloudcore.yaml; default ${CLOUDCORE_CONFIG_FILE}
  --defaultconfig   print every key with its default
  --minconfig       print the keys that are commonly changed
  --version         print the version
  doctor            check all that cloudcore needs, and say what to do
`;

function readArguments() {
  try {
    return parseArgs({
      // KubeEdge's flag takes a value, too: --version=raw.
      args: process.argv.slice(2).map((argument) => (argument.startsWith("--version=") ? "--version" : argument)),
      options: {
        config: { type: "string", default: CLOUDCORE_CONFIG_FILE },
        defaultconfig: { type: "boolean", default: false },
        minconfig: { type: "boolean", default: false },
        version: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new Error(`${toError(error).message}; see cloudcore --help`, { cause: error });
  }
}

/** @returns the exit status. */
async function main(): Promise<number> {
  const { values } = readArguments();
  const host: HostFacts = { hostname: hostname(), localIP: localAddress() };
  const print = (text: string) => process.stdout.write(text);
  if (values.help) print(USAGE);
  else if (values.version) print(`Kedge v${packageJson.version}\n`);
  else if (values.defaultconfig) print(defaultCloudCoreConfig(host));
  else if (values.minconfig) print(minCloudCoreConfig(host));
  else await run(values.config, host, createLogger({ program: "cloudcore" }));
  return 0;
}

async function run(file: string, host: HostFacts, logger: Logger): Promise<void> {
  const { config, warnings } = await readConfig(file, host);
  for (const warning of warnings) logger.warn({ path: warning.path }, warning.message);
  const life = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => {
      logger.info({ signal: name }, "stopping");
      life.abort(new DOMException("stopped", "AbortError"));
      stopped.resolve();
    });
  const { kubeConfig, master, qps, burst } = config.kubeAPIConfig;
  await using kube = connectKube(connection(kubeConfig, master), {
    userAgent: `kedge-cloudcore/${packageJson.version}`,
    rateLimit: { qps, burst },
  });
  try {
    const deps = { kube, logger, clock: systemClock };
    const start = () => startCloudCore(config, deps, life.signal);
    await using cloudCore = await startWhenReachable(start, deps, life.signal);
    logger.info({ ...cloudCore.ports }, "ready");
    giveBackMemory();
    await stopped.promise;
  } catch (error) {
    if (!life.signal.aborted) throw error;
  }
}

async function readConfig(file: string, host: HostFacts): Promise<LoadedConfig<CloudCoreConfig>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new Error(
      `cannot read the configuration ${file}: ${toError(error).message}; name it with --config, or write one: cloudcore --minconfig > ${file}`,
      { cause: error },
    );
  }
  try {
    return loadCloudCoreConfig(text, host, { supported: CLOUDCORE_SUPPORTED });
  } catch (error) {
    throw error instanceof ConfigError ? error.in(file) : error;
  }
}

/** What, where, what to do: some errors come from below, where nobody knows what a person can do. */
function explain(error: Error): string {
  const { code, address, port } = error as { code?: unknown; address?: unknown; port?: unknown };
  if (code === "EADDRINUSE" && typeof port === "number")
    return `cannot listen on ${String(address)}:${port}: another program does; stop it (see: ss -ltnp 'sport = :${port}'), or change the port in cloudcore.yaml`;
  const isCluster = ["Unreachable", "TimedOut", "Unreadable", "Malformed", "Incomplete"].includes(String(code));
  return isCluster
    ? `${error.message}; correct kubeAPIConfig in cloudcore.yaml, and see: cloudcore doctor`
    : error.message;
}

function connection(kubeconfig: string, master: string): KubeConnection {
  const found = kubeconfig === "" ? inClusterConnection() : loadKubeconfig(kubeconfig);
  return master === "" ? found : { ...found, server: master };
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`cloudcore: ${explain(toError(error))}\n`);
  process.exitCode = 1;
}
