import { type Check, type CheckResult, type Finding, runChecks } from "@kedge/runtime";
import { checkCa, checkServerCertificate, checkTokenSecret } from "./check-certificates.ts";
import { checkApi, checkCrds, checkRights } from "./check-cluster.ts";
import { checkConfiguration } from "./check-configuration.ts";
import { checkMonitor, checkNodes, checkPorts } from "./check-serving.ts";
import { checkStreams } from "./check-streams.ts";
import type { CloudFacts } from "./cloud-facts.ts";

type CloudCheck = (facts: CloudFacts, signal: AbortSignal) => Finding | Promise<Finding>;

/** In the order in which cloudcore needs things; each builds on those before. */
const CHECKS: readonly (readonly [name: string, title: string, check: CloudCheck])[] = [
  ["config", "configuration", checkConfiguration],
  ["api", "API server", checkApi],
  ["rights", "rights", checkRights],
  ["crds", "CRDs", checkCrds],
  ["ca", "CA", checkCa],
  ["server-certificate", "server certificate", checkServerCertificate],
  ["token", "join token", checkTokenSecret],
  ["monitor", "cloudcore", checkMonitor],
  ["ports", "ports", checkPorts],
  ["nodes", "nodes", checkNodes],
  ["streams", "logs and exec", checkStreams],
];

/** Looks at all that cloudcore needs with this configuration file, and changes nothing. */
export async function examineCloud(configPath: string, signal: AbortSignal): Promise<CheckResult[]> {
  const facts: CloudFacts = { configPath };
  try {
    const checks = CHECKS.map(([name, title, check]): Check => ({ name, title, run: (limit) => check(facts, limit) }));
    return await runChecks(checks, signal);
  } finally {
    await facts.kube?.[Symbol.asyncDispose]();
  }
}
