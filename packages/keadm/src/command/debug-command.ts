import type { Command } from "commander";
import type { CheckFlags } from "../debug/check.ts";
import type { CollectFlags } from "../debug/collect.ts";
import type { DiagnoseFlags } from "../debug/diagnose.ts";
import type { GetFlags } from "../debug/get.ts";
import { type CommandGroup, ROOT_DIR } from "./command-group.ts";

const CONFIG = "/etc/kubeedge/config/edgecore.yaml";
const DATABASE = "/var/lib/kubeedge/edgecore.db";
const CHECKS = ["all", "cpu", "mem", "disk", "dns", "runtime", "network", "pid"] as const;

function checkFlags(command: Command): Command {
  return command
    .option("-d, --domain <name>", "name to resolve (default: that of -s, or www.github.com)")
    .option("-D, --dns-ip <address>", "DNS server to ask (default: the host's)")
    .option("-i, --ip <host[:port]>", "another host that must be reachable, at port 443 unless told")
    .option("-s, --cloud-hub-server <host:port>", "CloudHub (default: the one in edgecore.yaml)")
    .option("-c, --config <file>", `edgecore.yaml (default: ${CONFIG})`)
    .option(...ROOT_DIR)
    .option("-p, --remote-runtime-endpoint <endpoint>", "container runtime (default: the one in edgecore.yaml)")
    .option("-o, --output <format>", "text or json", "text");
}

function diagnoseFlags(command: Command): Command {
  return command
    .option("-c, --config <file>", `edgecore.yaml (default: ${CONFIG})`)
    .option(...ROOT_DIR)
    .option("-o, --output <format>", "text or json", "text");
}

export const debugCommand: CommandGroup = (keadm, session) => {
  const debug = keadm.command("debug").description("look into this host's node");
  debug
    .command("get <resource> [name]")
    .description("what the node's database holds: all, pod, node, service, secret, configmap, endpoint")
    .option("-n, --namespace <namespace>", "", "default")
    .option("-A, --all-namespaces", "", false)
    .option("-l, --selector <labels>", "as in kubectl")
    .option("-p, --edgedb-path <file>", `the database (default: the one that edgecore.yaml names, or ${DATABASE})`)
    .option(...ROOT_DIR)
    .option("-o, --output <format>", "yaml, json or wide", "")
    .option("--show-secrets", "show the values of Secrets, too", false)
    .action(async (resource: string, name: string | undefined, flags: GetFlags) =>
      (await import("../debug/get.ts")).get(resource, name, flags, session),
    );

  const check = debug.command("check").description("how this host is; exits with 1 if something is wrong");
  for (const what of CHECKS)
    checkFlags(check.command(what))
      .description(what === "all" ? "all of the following" : `check ${what}`)
      .action(async (flags: CheckFlags) => (await import("../debug/check.ts")).check(what, flags, session));

  const diagnose = debug.command("diagnose").description("whether the node works; exits with 1 if it does not");
  const module = () => import("../debug/diagnose.ts");
  diagnoseFlags(diagnose.command("node"))
    .description("configuration, edgecore, database, connection")
    .action(async (flags: DiagnoseFlags) => (await module()).diagnoseNode(flags, session));
  diagnoseFlags(diagnose.command("pod <name>"))
    .description("the node, and what it knows of a pod")
    .option("-n, --namespace <namespace>", "", "default")
    .action(async (name: string, flags: DiagnoseFlags) => (await module()).diagnosePod(name, flags, session));
  checkFlags(diagnose.command("install"))
    .description("whether this host can join")
    .action(async (flags: CheckFlags) => (await import("../debug/check.ts")).diagnoseInstall(flags, session));

  debug
    .command("collect")
    .description("pack logs, configuration and state, without secrets")
    .option("-c, --config <file>", `edgecore.yaml (default: ${CONFIG})`)
    .option("-d, --detail", "say what is packed", false)
    .option("-o, --output-path <dir>", "where the archive goes", ".")
    .option("-l, --log-path <dir>", "folder of logs (default: /var/log/kubeedge)")
    .option(...ROOT_DIR)
    .action(async (flags: CollectFlags) => (await import("../debug/collect.ts")).collect(flags, session));
};
