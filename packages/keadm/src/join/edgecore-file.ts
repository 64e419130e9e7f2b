import { join } from "node:path";
import { type EdgeCoreConfig, type HostFacts, loadEdgeCoreConfig, minEdgeCoreConfig } from "@kedge/api";
import { equalJson, type JsonValue } from "@kedge/kube";
import { type Document, parse, parseDocument, stringify } from "yaml";
import type { HostPaths } from "../host/host-paths.ts";
import { ROOT_DIR_DEFAULT } from "../host/host-paths.ts";
import { applySets, parseSets } from "../set-values.ts";
import type { CloudAddress } from "./join-options.ts";

export interface EdgeCoreFileOptions {
  readonly nodeName: string;
  readonly cloud: CloudAddress;
  readonly runtimeEndpoint: string;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  /** Only if it was given. */
  readonly certPath?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether a broker answers at the address that KubeEdge expects one at; if not, the agent brings its own. */
  readonly hasMqttBroker: boolean;
  readonly sets: readonly string[];
  /** The file as an earlier join left it: what it says stays, unless a flag says otherwise. */
  readonly before?: string | undefined;
}

export interface EdgeCoreFile {
  readonly text: string;
  readonly config: EdgeCoreConfig;
  readonly warnings: readonly string[];
}

const HEADER = "# Written by keadm join. Change it, then restart edgecore; or: keadm config-update --set key=value\n";
const ALIASES_MAX = 100;

/**
 * `edgecore.yaml`: what is commonly changed; over it what the file said before, the flags' values, and then `--set`. The same
 * command with the same file gives the same file, byte by byte.
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
  const document = options.before === undefined ? undefined : parseDocument(options.before);
  const before = (document?.toJS({ maxAliasCount: ALIASES_MAX }) ?? {}) as Tree;
  const base = parse(minEdgeCoreConfig(host)) as Tree;
  const beginning = merge(merge(base, defaults(options, paths)), before);
  const values = merge(beginning, facts(options, paths, before));
  const { values: all, loaded } = applySets(values, parseSets(options.sets), (tried) =>
    loadEdgeCoreConfig(tried, host, { supported }),
  );
  return {
    text:
      options.before === undefined || document === undefined
        ? HEADER + stringify(all, { lineWidth: 0 })
        : withChanges(options.before, document, before, all),
    config: loaded.config,
    warnings: loaded.warnings.map(({ message }) => message),
  };
}

/** What a first join writes. */
function defaults(options: EdgeCoreFileOptions, paths: HostPaths): Tree {
  const { cloud } = options;
  const certPath = options.certPath ?? paths.certs;
  return {
    database: { dataSource: paths.database },
    modules: {
      edged: {
        // The namespaces of another root's agent are the host's: only files have a place of their own.
        ...(paths.root !== ROOT_DIR_DEFAULT && { rootDirectory: paths.kubelet }),
        nodeLabels: {},
        tailoredKubeletConfig: {
          imageServiceEndpoint: options.runtimeEndpoint,
          ...(paths.root !== ROOT_DIR_DEFAULT && { staticPodPath: paths.manifests, podLogsDir: paths.podLogs }),
        },
      },
      edgeHub: { ...hubFiles(paths, certPath), quic: { server: cloud.quic } },
      edgeStream: { enable: true, server: cloud.tunnel, ...streamFiles(paths, certPath) },
      eventBus: { mqttMode: options.hasMqttBroker ? 2 : 0 },
      ...(paths.root !== ROOT_DIR_DEFAULT && { deviceTwin: { dmiSockPath: `${paths.etc}/` } }),
    },
  };
}

/** What this join says, whatever the file said. */
function facts(options: EdgeCoreFileOptions, paths: HostPaths, before: Tree): Tree {
  const { cloud, certPath, runtimeEndpoint } = options;
  const runtimeBefore = at(before, ["modules", "edged", "tailoredKubeletConfig", "containerRuntimeEndpoint"]);
  const cloudBefore = at(before, ["modules", "edgeHub", "websocket", "server"]);
  const moved = cloudBefore !== undefined && cloudBefore !== cloud.cloudHub;
  return {
    modules: {
      edged: {
        hostnameOverride: options.nodeName,
        nodeLabels: options.labels,
        tailoredKubeletConfig: {
          cgroupDriver: options.cgroupDriver,
          containerRuntimeEndpoint: runtimeEndpoint,
          ...(runtimeBefore !== undefined &&
            runtimeBefore !== runtimeEndpoint && { imageServiceEndpoint: runtimeEndpoint }),
        },
      },
      edgeHub: {
        ...(certPath !== undefined && hubFiles(paths, certPath)),
        httpServer: cloud.https,
        websocket: { server: cloud.cloudHub },
        ...(moved && { quic: { server: cloud.quic } }),
        // The certificate is there before the agent starts, so the token is never written anywhere.
        token: "",
      },
      edgeStream: {
        ...(moved && { server: cloud.tunnel }),
        ...(certPath !== undefined && streamFiles(paths, certPath)),
      },
    },
  };
}

const hubFiles = (paths: HostPaths, certPath: string): Tree => ({
  tlsCaFile: join(paths.ca, "rootCA.crt"),
  tlsCertFile: join(certPath, "server.crt"),
  tlsPrivateKeyFile: join(certPath, "server.key"),
});

const streamFiles = (paths: HostPaths, certPath: string): Tree => ({
  tlsTunnelCAFile: join(paths.ca, "rootCA.crt"),
  tlsTunnelCertFile: join(certPath, "server.crt"),
  tlsTunnelPrivateKeyFile: join(certPath, "server.key"),
});

type Tree = Record<string, unknown>;

function at(tree: Tree, path: readonly string[]): unknown {
  let value: unknown = tree;
  for (const key of path) value = isTree(value) ? value[key] : undefined;
  return value;
}

function merge(base: object, changes: object): Tree {
  const result: Tree = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const before = result[key];
    // A key without a value ("nodeLabels:") holds nothing that could be more than what is there.
    if (isTree(before) && value === null) continue;
    result[key] = isTree(before) && isTree(value) ? merge(before, value) : value;
  }
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text with these values; comments and order stay, and every byte if nothing changes. */
function withChanges(text: string, document: Document, before: Tree, after: object): string {
  if (equalJson(before as JsonValue, after as JsonValue)) return text;
  setChanges(document, [], before, after);
  return document.toString({ lineWidth: 0 });
}

function setChanges(document: Document, path: readonly string[], before: Tree, after: object): void {
  for (const [key, value] of Object.entries(after)) {
    const was = before[key];
    if (isTree(was) && isTree(value)) setChanges(document, [...path, key], was, value);
    else if (was === undefined || !equalJson(was as JsonValue, value as JsonValue))
      document.setIn([...path, key], value);
  }
}
