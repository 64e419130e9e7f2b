import { existsSync } from "node:fs";
import type { Pod } from "@kedge/kube";
import { EdgeDatabase } from "../edge/edge-database.ts";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import { findAgent } from "../host/agent.ts";
import { hostPaths } from "../host/host-paths.ts";
import { type Check, CheckWarning, failedCheck, lookAtAll, renderChecks } from "../checks.ts";
import { askStatus } from "../join/agent-status.ts";
import { portCheck } from "../join/cloud-checks.ts";
import type { Session } from "../session.ts";
import { outputFormat, render } from "../text-output.ts";
import { expectAllWell } from "./check.ts";

export interface DiagnoseFlags {
  config?: string;
  namespace?: string;
  rootDir: string;
  output: string;
}

/** Whether this host's node works; each failing check names what to do. @throws KeadmError `ChecksFailed` */
export async function diagnoseNode(flags: DiagnoseFlags, session: Session): Promise<void> {
  await report(nodeChecks(flags), flags.output, session);
}

/** As {@link diagnoseNode}, and then what the node knows of one pod. */
export async function diagnosePod(name: string, flags: DiagnoseFlags, session: Session): Promise<void> {
  const joined = existsSync(flags.config ?? hostPaths(flags.rootDir).config);
  await report([...nodeChecks(flags), ...(joined ? [podCheck(name, flags)] : [])], flags.output, session);
}

async function report(checks: readonly Check[], output: string, session: Session): Promise<void> {
  const format = outputFormat(output, ["text", "json"]);
  const results = await lookAtAll(checks, session.signal);
  session.print(format === "json" ? render(results, "json") : renderChecks(results));
  expectAllWell(results);
}

function nodeChecks(flags: DiagnoseFlags): Check[] {
  const paths = hostPaths(flags.rootDir);
  const file = flags.config ?? paths.config;
  const agent = findAgent(paths);
  const configuration: Check = {
    name: "configuration",
    async run() {
      await Promise.resolve();
      const { warnings } = readEdgeCoreFile(file);
      return warnings.length === 0 ? file : `${file}; ${warnings.join("; ")}`;
    },
  };
  // All else is read from there: without it the same would be said of each.
  if (!existsSync(file)) return [configuration];
  return [
    configuration,
    {
      name: "edgecore",
      async run(signal) {
        const pid = await agent.pid(signal);
        if (pid !== undefined) return `runs (process ${pid})`;
        const start =
          agent.keeper === "systemd" ? "systemctl start edgecore" : "keadm join, with the flags from before";
        throw failedCheck(
          "edgecore",
          `edgecore does not run; its log (${agent.logHint}) tells why: start it with ${start}`,
        );
      },
    },
    {
      name: "database",
      async run(signal) {
        using database = await EdgeDatabase.open(readEdgeCoreFile(file).config.database.dataSource, signal);
        const damage = database.damage();
        if (damage !== undefined)
          throw failedCheck(
            "database",
            `the database is damaged (${damage}): restart edgecore, which saves what it can`,
          );
        const counts = Object.entries(database.counts()).map(([type, count]) => `${count} ${type}`);
        return counts.length === 0 ? "nothing in it yet" : counts.join(", ");
      },
    },
    {
      name: "CloudHub",
      run: (signal) =>
        portCheck(readEdgeCoreFile(file).config.modules.edgeHub.websocket.server, "CloudHub's WebSocket port").run(
          signal,
        ),
    },
    { name: "connection", run: (signal) => connection(file, signal) },
  ];
}

async function connection(file: string, signal: AbortSignal): Promise<string> {
  const { config } = readEdgeCoreFile(file);
  const status = await askStatus(config, config.modules.edged.hostnameOverride, signal);
  if (status === undefined)
    throw new CheckWarning(
      "not known, as edgecore does not tell: see that it runs, and that readOnlyPort is neither 0 nor somebody else's",
    );
  if (status.connected) return "connected to the cloud";
  throw failedCheck("connection", status.lastError ?? "not connected: see edgecore's log");
}

function podCheck(name: string, flags: DiagnoseFlags): Check {
  const namespace = flags.namespace ?? "default";
  const file = flags.config ?? hostPaths(flags.rootDir).config;
  const what = `pod ${namespace}/${name}`;
  return {
    name: what,
    async run(signal) {
      using database = await EdgeDatabase.open(readEdgeCoreFile(file).config.database.dataSource, signal);
      const pod = database
        .list("pod")
        .find(({ metadata }) => metadata?.name === name && metadata.namespace === namespace) as Pod | undefined;
      if (pod === undefined)
        throw failedCheck(what, `the node does not know it: is it bound to this node? see kubectl get pod -o wide`);
      const troubled = pod.status?.containerStatuses?.find(({ ready }) => !ready);
      const { waiting, terminated } = troubled?.state ?? {};
      const reason = waiting?.message ?? waiting?.reason ?? terminated?.reason;
      const phase = pod.status?.phase ?? "not started";
      if (troubled !== undefined && phase !== "Succeeded")
        throw failedCheck(
          what,
          `${phase}, container ${troubled.name}: ${reason ?? "not ready"}; see its log below /var/log/pods`,
        );
      return phase;
    },
  };
}
