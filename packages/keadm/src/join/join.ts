import { mkdirSync, rmSync } from "node:fs";
import { join as joinPath, resolve } from "node:path";
import { hostFacts, type JoinToken, joinWithToken, parseJoinToken, SUPPORTED_SWITCHES } from "@kedge/edge";
import { type CheckResult, mustPass } from "../checks.ts";
import { edgeCoreCommand, findAgent } from "../host/agent.ts";
import { hostPaths, type HostPaths } from "../host/host-paths.ts";
import { runScript } from "../host/run-command.ts";
import { type CgroupDriver, cniCheck, runtimeCheck } from "../host/runtime-checks.ts";
import { KeadmError } from "../keadm-error.ts";
import { expectRoot, type Session } from "../session.ts";
import { RELEASE } from "../release.ts";
import { answers, chooseCgroupDriver, expectOwnHost } from "./join-host.ts";
import { caCheck, clockCheck, dnsCheck, type Learned, nameCheck, portCheck } from "./cloud-checks.ts";
import { edgeCoreFile, writeConfigFile } from "./edgecore-file.ts";
import {
  type CloudAddress,
  cloudAddress,
  expectNodeName,
  idleFlags,
  type JoinFlags,
  nodeLabels,
} from "./join-options.ts";
import { type CertificateFiles, presentCertificate, serves } from "./present-certificate.ts";
import { startAndWait } from "./wait-for-node.ts";

const MQTT_PORT = 1883;
const CERTIFICATE_MS = 30_000;

/** What `keadm join -o json` prints. */
export interface JoinResult {
  readonly node: string;
  readonly cloud: string;
  readonly config: string;
  readonly keeper: "systemd" | "keadm";
  readonly log: string;
  readonly checks: readonly CheckResult[];
  readonly warnings: readonly string[];
}

/**
 * Makes this host an edge node. Whatever may be in the way is looked at before anything is written; what was begun and
 * failed goes on with the same command (FIX: KubeEdge wants a reset first).
 *
 * @throws an error with the one cause and the one thing to do.
 */
export async function join(flags: JoinFlags, session: Session): Promise<JoinResult> {
  expectRoot("join");
  const { signal } = session;
  const paths = hostPaths(flags.rootDir);
  const cloud = cloudAddress(flags.cloudcoreIpport, flags.certport);
  const nodeName = expectNodeName(flags.edgenodeName ?? hostFacts().hostname);
  const token = flags.token === undefined ? undefined : parseJoinToken(flags.token);
  const certPath = flags.certPath === undefined ? paths.certs : resolve(flags.certPath);
  const labels = nodeLabels(flags.labels);
  if (flags.hubProtocol !== "websocket")
    throw new KeadmError(
      "NotSupported",
      "--hub-protocol",
      `--hub-protocol ${flags.hubProtocol} is not there yet: leave it out, and WebSocket is used`,
    );
  const render = (cgroupDriver: CgroupDriver, hasMqttBroker: boolean) =>
    edgeCoreFile(
      {
        nodeName,
        cloud,
        runtimeEndpoint: flags.remoteRuntimeEndpoint,
        cgroupDriver,
        certPath,
        labels,
        hasMqttBroker,
        sets: flags.set,
      },
      paths,
      hostFacts(),
      SUPPORTED_SWITCHES,
    );
  render("cgroupfs", false); // a mistake in --set is told before anything is tried
  for (const warning of idleFlags(flags, RELEASE)) session.tell(`  ! ${warning}`);
  if (flags.preRun !== undefined) await runScript("--pre-run", flags.preRun, signal);

  const certificates = certificateFiles(paths, certPath);
  const agent = findAgent(paths);
  await expectOwnHost(agent.pid.bind(agent), nodeName, cloud, paths, signal);
  const learned: Learned = {};
  const present = presentCertificate(certificates);
  const checks = await mustPass(
    cloudChecks(cloud, nodeName, token, learned, serves(present, nodeName, undefined)),
    session,
  );
  if (!flags.skipPreflightChecks)
    checks.push(
      ...(await mustPass([runtimeCheck(flags.remoteRuntimeEndpoint), cniCheck(flags.remoteRuntimeEndpoint)], session)),
    );
  const driver = await chooseCgroupDriver(flags, signal);
  const hasMqttBroker = await answers(MQTT_PORT);
  const file = render(driver, hasMqttBroker);

  if (!serves(present, nodeName, learned.ca))
    await session.step("certificate of the node", async () => {
      if (flags.token === undefined)
        throw new KeadmError(
          "BadInput",
          "--token",
          "this host has no certificate yet, so a join token is needed: give -t with what `keadm gettoken` prints",
        );
      await joinWithToken(
        { nodeName, httpServer: cloud.https, timeoutMs: CERTIFICATE_MS, paths: certificates },
        flags.token,
        signal,
      );
    });
  for (const dir of [paths.etc, paths.log, paths.lib, paths.manifests])
    mkdirSync(dir, { recursive: true, mode: 0o755 });
  rmSync(paths.bootstrap, { force: true }); // an older token there would go before ours
  const before = writeConfigFile(paths.config, file.text);
  if (before !== undefined) session.tell(`  ! ${paths.config} was there already: it is kept as ${before}`);
  for (const warning of file.warnings) session.tell(`  ! ${warning}`);
  if (!hasMqttBroker && file.config.modules.eventBus.mqttMode === 0)
    session.tell(
      `  ! no MQTT broker answers on port ${MQTT_PORT}: the agent's own listens at ${file.config.modules.eventBus.mqttServerInternal}`,
    );
  await session.step(`node ${nodeName} is Ready`, () =>
    startAndWait(agent, edgeCoreCommand(paths), file.config, flags.timeout * 1000, signal),
  );
  const warnings = [...file.warnings, ...(await postRun(flags.postRun, session))];
  return {
    node: nodeName,
    cloud: cloud.cloudHub,
    config: paths.config,
    keeper: agent.keeper,
    log: agent.logHint,
    checks,
    warnings,
  };
}

function certificateFiles(paths: HostPaths, certPath: string): CertificateFiles {
  return {
    caFile: joinPath(paths.ca, "rootCA.crt"),
    certFile: joinPath(certPath, "server.crt"),
    keyFile: joinPath(certPath, "server.key"),
  };
}

function cloudChecks(
  cloud: CloudAddress,
  nodeName: string,
  token: JoinToken | undefined,
  learned: Learned,
  isOurs: boolean,
) {
  const { host } = new URL(cloud.https);
  return [
    dnsCheck(cloud),
    portCheck(host, "cloudcore's HTTPS port"),
    portCheck(cloud.cloudHub, "CloudHub's WebSocket port"),
    ...(token === undefined ? [] : [caCheck(cloud, token, learned), clockCheck(learned, Date.now)]),
    ...(token === undefined ? [] : [nameCheck(cloud, nodeName, token, learned, isOurs)]),
  ];
}

/** The node is there: a failing script only is told. */
async function postRun(file: string | undefined, session: Session): Promise<string[]> {
  if (file === undefined) return [];
  try {
    await runScript("--post-run", file, session.signal);
    return [];
  } catch (error) {
    if (!(error instanceof KeadmError)) throw error;
    session.tell(`  ! ${error.message}`);
    return [error.message];
  }
}
