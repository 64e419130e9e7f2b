import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type EdgeCoreConfig, type HostFacts, loadEdgeCoreConfig, minEdgeCoreConfig } from "@kedge/api";
import { parse, stringify } from "yaml";
import type { HostPaths } from "../host/host-paths.ts";
import { ROOT_DIR_DEFAULT } from "../host/host-paths.ts";
import { applySets, parseSets } from "../set-values.ts";
import type { CloudAddress } from "./join-options.ts";

export interface EdgeCoreFileOptions {
  readonly nodeName: string;
  readonly cloud: CloudAddress;
  readonly runtimeEndpoint: string;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly certPath: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether a broker answers at the address that KubeEdge expects one at; if not, the agent brings its own. */
  readonly hasMqttBroker: boolean;
  readonly sets: readonly string[];
}

export interface EdgeCoreFile {
  readonly text: string;
  readonly config: EdgeCoreConfig;
  readonly warnings: readonly string[];
}

const HEADER = "# Written by keadm join. Change it, then restart edgecore; or: keadm config-update --set key=value\n";

/**
 * `edgecore.yaml`: what is commonly changed, with the flags' values, and then `--set`. What was in the file before does not
 * count: the same command always gives the same file.
 *
 * @param supported switches whose part of the agent exists.
 * @throws KeadmError `BadInput` for a `--set` that is not understood
 */
export function edgeCoreFile(
  options: EdgeCoreFileOptions,
  paths: HostPaths,
  host: HostFacts,
  supported: ReadonlySet<string>,
): EdgeCoreFile {
  const { cloud, certPath } = options;
  const base = parse(minEdgeCoreConfig(host)) as { modules: Record<string, Record<string, unknown>> };
  const values = merge(base, {
    database: { dataSource: paths.database },
    modules: {
      edged: {
        hostnameOverride: options.nodeName,
        nodeLabels: options.labels,
        // The namespaces of another root's agent are the host's: only files have a place of their own.
        ...(paths.root !== ROOT_DIR_DEFAULT && { rootDirectory: paths.kubelet }),
        tailoredKubeletConfig: {
          cgroupDriver: options.cgroupDriver,
          containerRuntimeEndpoint: options.runtimeEndpoint,
          imageServiceEndpoint: options.runtimeEndpoint,
          ...(paths.root !== ROOT_DIR_DEFAULT && { staticPodPath: paths.manifests, podLogsDir: paths.podLogs }),
        },
      },
      edgeHub: {
        tlsCaFile: join(paths.ca, "rootCA.crt"),
        tlsCertFile: join(certPath, "server.crt"),
        tlsPrivateKeyFile: join(certPath, "server.key"),
        httpServer: cloud.https,
        websocket: { server: cloud.cloudHub },
        quic: { server: cloud.quic },
        // The certificate is there before the agent starts, so the token is never written anywhere.
        token: "",
      },
      edgeStream: {
        server: cloud.tunnel,
        tlsTunnelCAFile: join(paths.ca, "rootCA.crt"),
        tlsTunnelCertFile: join(certPath, "server.crt"),
        tlsTunnelPrivateKeyFile: join(certPath, "server.key"),
      },
      eventBus: { mqttMode: options.hasMqttBroker ? 2 : 0 },
      ...(paths.root !== ROOT_DIR_DEFAULT && { deviceTwin: { dmiSockPath: `${paths.etc}/` } }),
    },
  });
  const { values: all, loaded } = applySets(values, parseSets(options.sets), (tried) =>
    loadEdgeCoreConfig(tried, host, { supported }),
  );
  return {
    text: HEADER + stringify(all, { lineWidth: 0 }),
    config: loaded.config,
    warnings: loaded.warnings.map(({ message }) => message),
  };
}

type Tree = Record<string, unknown>;

function merge(base: object, changes: object): Tree {
  const result: Tree = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const before = result[key];
    result[key] = isTree(before) && isTree(value) ? merge(before, value) : value;
  }
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Writes a configuration that only root may read: it may hold passwords. The one before stays beside it.
 *
 * @returns where the one before is, if there was another.
 */
export function writeConfigFile(file: string, text: string): string | undefined {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const kept = `${file}.before`;
  if (before !== undefined && before !== text) {
    writeFileSync(kept, before, { mode: 0o600 });
    chmodSync(kept, 0o600);
  }
  const unfinished = `${file}.new`;
  writeFileSync(unfinished, text, { mode: 0o600 });
  chmodSync(unfinished, 0o600); // an older file may have had another mode
  renameSync(unfinished, file);
  return before !== undefined && before !== text ? kept : undefined;
}
