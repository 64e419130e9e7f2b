import { existsSync, mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import type { EdgeCoreConfig } from "@kedge/api";
import { hostFacts, type JoinToken, joinWithToken, parseJoinToken, SUPPORTED_SWITCHES } from "@kedge/edge";
import { equalJson, type JsonValue } from "@kedge/kube";
import { type CheckResult, mustPass } from "../checks.ts";
import { type ReadEdgeCoreFile, readEdgeCoreFile } from "../edge/edgecore-config.ts";
import { edgeCoreCommand, findAgent } from "../host/agent.ts";
import { hostPaths, type HostPaths } from "../host/host-paths.ts";
import { runScript } from "../host/run-command.ts";
import { type CgroupDriver, cniCheck, runtimeCheck } from "../host/runtime-checks.ts";
import { KeadmError } from "../keadm-error.ts";
import { expectRoot, type Session } from "../session.ts";
import { RELEASE } from "../release.ts";
import { answers, chooseCgroupDriver, expectOwnHost } from "./join-host.ts";
import { caCheck, clockCheck, dnsCheck, type Learned, nameCheck, portCheck } from "./cloud-checks.ts";
import { edgeCoreFile } from "./edgecore-file.ts";
import {
  type CloudAddress,
  cloudAddress,
  expectNodeName,
  idleFlags,
  type JoinFlags,
  nodeLabels,
} from "./join-options.ts";
import { type CertificateFiles, presentCertificate, serves } from "./present-certificate.ts";
import { startOrUndo } from "./start-or-undo.ts";
import { isReadyNow } from "./wait-for-node.ts";

const RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";
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
  /** Whether anything was to be done: not on a node that is Ready as the flags want it. */
  readonly changed: boolean;
}

/**
 * Makes this host an edge node. Whatever may be in the way is looked at before anything is written; what was begun and
 * failed goes on with the same command (FIX: KubeEdge wants a reset first). It builds on the `edgecore.yaml` that is there.
 *
 * @throws an error with the one cause and the one thing to do.
 */
export async function join(flags: JoinFlags, session: Session): Promise<JoinResult> {
  expectRoot("join");
  const { signal } = session;
  const paths = hostPaths(flags.rootDir);
  const existing = existingFile(paths, session);
  const cloud = cloudOf(flags, existing);
  const nodeName = expectNodeName(
    flags.edgenodeName ?? existing?.config.modules.edged.hostnameOverride ?? hostFacts().hostname,
  );
  const token = flags.token === undefined ? undefined : parseJoinToken(flags.token);
  const kubelet = existing?.config.modules.edged.tailoredKubeletConfig;
  const endpoint = flags.remoteRuntimeEndpoint ?? (kubelet?.containerRuntimeEndpoint || RUNTIME_ENDPOINT);
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
        runtimeEndpoint: endpoint,
        cgroupDriver,
        certPath: flags.certPath === undefined ? undefined : resolve(flags.certPath),
        labels,
        hasMqttBroker,
        sets: flags.set,
        before: existing?.text,
      },
      paths,
      hostFacts(),
      SUPPORTED_SWITCHES,
    );
  const draft = render("cgroupfs", false); // a mistake in --set is told before anything is tried
  for (const warning of idleFlags(flags, RELEASE)) session.tell(`  ! ${warning}`);
  if (flags.preRun !== undefined) await runScript("--pre-run", flags.preRun, signal);

  const certificates = certificateFiles(draft.config);
  const agent = findAgent(paths);
  await expectOwnHost(agent.pid.bind(agent), nodeName, cloud, paths, signal);
  const learned: Learned = {};
  const present = presentCertificate(certificates);
  const checks = await mustPass(
    cloudChecks(cloud, nodeName, token, learned, serves(present, nodeName, undefined)),
    session,
  );
  if (!flags.skipPreflightChecks)
    checks.push(...(await mustPass([runtimeCheck(endpoint), cniCheck(endpoint)], session)));
  const driver = await chooseCgroupDriver(flags, endpoint, kubelet?.cgroupDriver as CgroupDriver | undefined, signal);
  const hasMqttBroker = await answers(MQTT_PORT);
  const file = render(driver, hasMqttBroker);

  const result = (warnings: readonly string[], changed: boolean): JoinResult => ({
    node: nodeName,
    cloud: cloud.cloudHub,
    config: paths.config,
    keeper: agent.keeper,
    log: agent.logHint,
    checks,
    warnings,
    changed,
  });
  const hasCertificate = serves(present, nodeName, learned.ca);
  if (
    hasCertificate &&
    file.text === existing?.text &&
    (await agent.pid(signal)) !== undefined &&
    equalJson((agent.command() ?? []) as JsonValue, edgeCoreCommand(paths)) &&
    (await isReadyNow(file.config, signal))
  ) {
    session.tell(`  ✓ node ${nodeName} is Ready, with these very settings: nothing changes`);
    return result([...file.warnings, ...(await postRun(flags.postRun, session))], false);
  }
  if (!hasCertificate)
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
  for (const warning of file.warnings) session.tell(`  ! ${warning}`);
  if (!hasMqttBroker && file.config.modules.eventBus.mqttMode === 0)
    session.tell(
      `  ! no MQTT broker answers on port ${MQTT_PORT}: the agent's own listens at ${file.config.modules.eventBus.mqttServerInternal}`,
    );
  const kept = await session.step(`node ${nodeName} is Ready`, () =>
    startOrUndo(
      {
        paths,
        agent,
        command: edgeCoreCommand(paths),
        text: file.text,
        timeoutMs: flags.timeout * 1000,
        force: false,
      },
      session,
    ),
  );
  if (kept !== undefined) session.tell(`  ! ${paths.config} was there already and has changed: it is kept as ${kept}`);
  return result([...file.warnings, ...(await postRun(flags.postRun, session))], true);
}

/** What an earlier join, or somebody's hand, left. A file that cannot be read is no obstacle: a new one is written. */
function existingFile(paths: HostPaths, session: Session): ReadEdgeCoreFile | undefined {
  if (!existsSync(paths.config)) return undefined;
  try {
    return readEdgeCoreFile(paths.config);
  } catch (error) {
    if (!(error instanceof KeadmError)) throw error;
    session.tell(`  ! ${error.message}\n  ! nothing of it is taken over; it will be kept as ${paths.config}.before`);
    return undefined;
  }
}

/** The port of certificates is the one from before, unless it is given or the cloud is another. */
function cloudOf({ cloudcoreIpport, certport }: JoinFlags, existing: ReadEdgeCoreFile | undefined): CloudAddress {
  const cloud = cloudAddress(cloudcoreIpport, certport);
  const { websocket, httpServer } = existing?.config.modules.edgeHub ?? {};
  const same = certport === undefined && websocket?.server === cloud.cloudHub;
  return same && httpServer !== undefined && URL.canParse(httpServer) ? { ...cloud, https: httpServer } : cloud;
}

function certificateFiles({ modules: { edgeHub } }: EdgeCoreConfig): CertificateFiles {
  return { caFile: edgeHub.tlsCaFile, certFile: edgeHub.tlsCertFile, keyFile: edgeHub.tlsPrivateKeyFile };
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
