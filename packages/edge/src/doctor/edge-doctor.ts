import { type Check, type CheckResult, type Finding, runChecks } from "@kedge/runtime";
import { checkAgent, checkConnection, checkStatusPort } from "./check-agent.ts";
import { checkClock, checkDns, checkPorts, checkTls } from "./check-cloud.ts";
import { checkConfiguration, checkNodeName } from "./check-configuration.ts";
import { checkDatabase, checkDisk, checkMqtt } from "./check-host.ts";
import { checkCertificate, checkToken } from "./check-identity.ts";
import { checkNameTaken } from "./check-name-taken.ts";
import { checkCgroups, checkNetwork, checkRuntime } from "./check-runtime.ts";
import type { EdgeFacts } from "./edge-facts.ts";

type EdgeCheck = (facts: EdgeFacts, signal: AbortSignal) => Finding | Promise<Finding>;

/** In the order in which things are needed to join and to work; each builds on those before. */
const CHECKS: readonly (readonly [name: string, title: string, check: EdgeCheck])[] = [
  ["config", "configuration", checkConfiguration],
  ["node-name", "node name", checkNodeName],
  ["agent", "agents on this host", checkAgent],
  ["runtime", "container runtime", checkRuntime],
  ["cgroups", "cgroups", checkCgroups],
  ["network", "pod network", checkNetwork],
  ["database", "database", checkDatabase],
  ["disk", "disk space", checkDisk],
  ["mqtt", "MQTT broker", checkMqtt],
  ["status-port", "status port", checkStatusPort],
  ["dns", "cloud's name", checkDns],
  ["ports", "cloud's ports", checkPorts],
  ["tls", "cloud's certificates", checkTls],
  ["clock", "clock", checkClock],
  ["token", "join token", checkToken],
  ["name-taken", "name in the cluster", checkNameTaken],
  ["certificate", "node certificate", checkCertificate],
  ["connection", "connection", checkConnection],
];

/** Looks at all that edgecore needs with this configuration file, and changes nothing. */
export function examineEdge(configPath: string, signal: AbortSignal): Promise<CheckResult[]> {
  const facts: EdgeFacts = { configPath, unreachable: new Set() };
  const checks = CHECKS.map(([name, title, check]): Check => ({ name, title, run: (limit) => check(facts, limit) }));
  return runChecks(checks, signal);
}
