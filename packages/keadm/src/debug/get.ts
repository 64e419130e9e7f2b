import { existsSync } from "node:fs";
import { type KubeObject, matchesLabels, parseLabelSelector } from "@kedge/kube";
import { EdgeDatabase } from "../edge/edge-database.ts";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import { type HostPaths, hostPaths } from "../host/host-paths.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { outputFormat, render, table } from "../text-output.ts";
import { COLUMNS, objectRows, type StoredKind } from "./object-columns.ts";
import { withoutSecrets } from "./redact.ts";

export interface GetFlags {
  namespace: string;
  allNamespaces: boolean;
  selector?: string;
  edgedbPath?: string;
  rootDir: string;
  output: string;
  showSecrets: boolean;
}

const ALIASES: Readonly<Record<string, StoredKind>> = {
  pods: "pod",
  po: "pod",
  nodes: "node",
  no: "node",
  services: "service",
  svc: "service",
  secrets: "secret",
  configmaps: "configmap",
  cm: "configmap",
  endpoint: "endpoints",
  ep: "endpoints",
};
const CLUSTER_SCOPED: ReadonlySet<StoredKind> = new Set(["node"]);
const ALL = Object.keys(COLUMNS) as StoredKind[];

/** Prints what the agent's database holds, as kubectl would; offline, and beside a running agent. */
export async function get(what: string, name: string | undefined, flags: GetFlags, session: Session): Promise<void> {
  const format = outputFormat(flags.output, ["", "yaml", "json", "wide"]);
  const kinds = what === "all" ? ALL : [kindOf(what)];
  const requirements = flags.selector === undefined ? [] : parseLabelSelector(flags.selector);
  const file = flags.edgedbPath ?? databaseOf(hostPaths(flags.rootDir));
  using database = await EdgeDatabase.open(file, session.signal);
  const found = kinds.map((kind) => ({
    kind,
    objects: database
      .list(kind)
      .filter(({ metadata }) => name === undefined || metadata?.name === name)
      .filter(
        ({ metadata }) =>
          CLUSTER_SCOPED.has(kind) || flags.allNamespaces || (metadata?.namespace ?? "") === flags.namespace,
      )
      .filter(({ metadata }) => matchesLabels(requirements, metadata?.labels ?? {}))
      .map((object) => (flags.showSecrets ? object : withoutSecrets(object))),
  }));
  const objects = found.flatMap(({ objects: some }) => some);
  if (name !== undefined && objects.length === 0)
    throw new KeadmError(
      "NotFound",
      name,
      `${what} "${name}" is not in ${file} (namespace ${flags.namespace}): see keadm debug get ${what} -A`,
    );
  if (format === "json" || format === "yaml") return session.print(render(listOf(objects, name), format));
  const nowMs = Date.now();
  const tables = found
    .filter(({ objects: some }) => some.length > 0)
    .map(({ kind, objects: some }) => {
      const namespaces = flags.allNamespaces && !CLUSTER_SCOPED.has(kind);
      const rows = objectRows(kind, some, { wide: format === "wide", namespaces, nowMs });
      return table(
        kinds.length === 1 ? rows : rows.map((row, at) => (at === 0 ? row : withKind(kind, row, namespaces))),
      );
    });
  if (tables.length > 0) session.print(tables.join("\n\n"));
  else session.tell(flags.allNamespaces ? "No resources found" : `No resources found in ${flags.namespace} namespace.`);
}

function databaseOf(paths: HostPaths): string {
  return existsSync(paths.config) ? readEdgeCoreFile(paths.config).config.database.dataSource : paths.database;
}

function kindOf(what: string): StoredKind {
  const kind = ALL.find((known) => known === what) ?? ALIASES[what];
  if (kind !== undefined) return kind;
  throw new KeadmError("BadInput", what, `the database holds no ${what}: take one of all, ${ALL.join(", ")}`);
}

function withKind(kind: StoredKind, row: readonly string[], namespaces: boolean): string[] {
  return row.map((cell, at) => (at === (namespaces ? 1 : 0) ? `${kind}/${cell}` : cell));
}

function listOf(objects: readonly KubeObject[], name: string | undefined): object {
  const [only] = objects;
  return name !== undefined && only !== undefined && objects.length === 1
    ? only
    : { apiVersion: "v1", kind: "List", items: objects };
}
