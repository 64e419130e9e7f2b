import { networkInterfaces } from "node:os";
import { isIP } from "node:net";
import { CLUSTER_OBJECT_SYNCS, type CloudCoreConfig, OBJECT_SYNCS } from "@kedge/api";
import { apiVersionOf } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Clock, CodedError, hasCode, type Logger, MessageBus, Metrics } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "./cloud-messages.ts";
import { CloudHub, type CloudHubConfig } from "./cloudhub/cloudhub.ts";
import { CloudStream } from "./cloudstream/cloudstream.ts";
import { readStreamConfig } from "./cloudstream/stream-config.ts";
import { SyncRecords } from "./cloudhub/sync-records.ts";
import { VolumeSocket } from "./csidriver/volume-socket.ts";
import { CsrApprover } from "./csrapprover/csrapprover.ts";
import { DeviceController } from "./devicecontroller/devicecontroller.ts";
import { EdgeController } from "./edgecontroller/edgecontroller.ts";
import { CloudCoreReadiness } from "./cloudcore-readiness.ts";
import { MonitorServer } from "./monitor-server.ts";
import { SyncController } from "./synccontroller/synccontroller.ts";

export interface CloudCoreDeps {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A running CloudCore; the ports are those in use, also where the configuration says 0. */
export interface CloudCore extends AsyncDisposable {
  readonly ports: {
    readonly websocket: number;
    readonly https: number;
    readonly monitor: number;
    /** 0: CloudStream is switched off. */
    readonly tunnel: number;
    readonly stream: number;
  };
  readonly connectedNodes: () => readonly string[];
}

/** Why CloudCore cannot start. */
export class CloudCoreError extends CodedError<
  { readonly code: "CrdsMissing"; readonly resource: string } | { readonly code: "CloudHubDisabled" }
> {}

/** Switches of modules that exist; of others the configuration's reader warns. */
export const CLOUDCORE_SUPPORTED: ReadonlySet<string> = new Set([
  "modules.cloudHub.enable",
  "modules.cloudHub.websocket.enable",
  "modules.cloudHub.https.enable",
  "modules.cloudHub.unixsocket.enable",
  "modules.cloudHub.authorization.enable", // always on, whatever the file says
  "modules.edgeController.enable",
  "modules.deviceController.enable",
  "modules.syncController.enable",
  "modules.cloudStream.enable",
  "modules.iptablesManager.enable", // KubeEdge's way to nodes' kubelet endpoints: what leads there, is not ours
]);

/** All of CloudCore on one page; should one part fail to start, those before it stop. */
export async function startCloudCore(
  config: CloudCoreConfig,
  { kube, logger, clock }: CloudCoreDeps,
  signal: AbortSignal,
): Promise<CloudCore> {
  await using scope = new AsyncDisposableStack();
  const ownAddress = process.env["POD_IP"] ?? localAddress();
  const streamConfig = readStreamConfig(config, ownAddress);
  const hubConfig = readHubConfig(config);
  await expectCrds(kube, signal);
  const metrics = new Metrics();
  const bus = new MessageBus<CloudMessages, CloudNotices>();
  const readiness = new CloudCoreReadiness(kube, clock);
  const { bindAddress } = config.commonConfig.monitorServer;
  const monitor = scope.use(
    await MonitorServer.start(bindAddress, metrics, (limit) => readiness.checks(limit), signal),
  );
  const part = (name: string) => ({ kube, bus, clock, logger: logger.child({ module: name }) });
  const records = scope.use(await SyncRecords.start(part("syncrecords"), signal));
  const pending = { name: "kedge_sync_record_writes_pending", help: "Sync records that are not written yet." };
  metrics.gauge(pending, () => records.pendingWrites);
  const address = hubConfig.names.ipAddresses[0] ?? ownAddress;
  const edgeController = scope.use(await EdgeController.start({ ...part("edgecontroller"), address }, signal));
  if (config.modules.deviceController.enable)
    scope.use(await DeviceController.start(config.modules.deviceController, part("devicecontroller"), signal));
  if (config.modules.syncController.enable)
    scope.use(new SyncController({ ...part("synccontroller"), records, view: edgeController.view }));
  const { unixsocket } = config.modules.cloudHub;
  if (unixsocket.enable) scope.use(await VolumeSocket.start(unixsocket, part("csidriver")));
  if (config.featureGates["requireAuthorization"] === true)
    scope.use(await CsrApprover.start(part("csrapprover"), signal));
  // Last: nodes come when all who listen to them are there.
  const { view } = edgeController;
  const hubDeps = { ...part("cloudhub"), records, metrics, view, address };
  const hub = scope.use(await CloudHub.start(withAddress(hubConfig, streamConfig?.nodeAddress), hubDeps, signal));
  const stream =
    streamConfig &&
    scope.use(await CloudStream.start(streamConfig, { ...part("cloudstream"), metrics, view, hub }, signal));
  readiness.started();
  const running = scope.move();
  return {
    ports: { ...hub.ports, tunnel: 0, stream: 0, ...stream?.ports, monitor: monitor.port },
    connectedNodes: () => hub.connectedNodes,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function readHubConfig({ modules }: CloudCoreConfig): CloudHubConfig {
  const hub = modules.cloudHub;
  if (!hub.enable || !hub.websocket.enable)
    throw new CloudCoreError("modules.cloudHub and its websocket must be enabled: without them no edge can connect", {
      code: "CloudHubDisabled",
    });
  const { tlsCAFile, tlsCAKeyFile, tlsCertFile, tlsPrivateKeyFile } = hub;
  const advertised = hub.advertiseAddress.filter((name) => name !== "");
  return {
    files: { tlsCAFile, tlsCAKeyFile, tlsCertFile, tlsPrivateKeyFile },
    names: {
      ipAddresses: advertised.filter((name) => isIP(name) !== 0),
      // Some write a host name where an address belongs; it is meant to be one that edges dial.
      dnsNames: [...hub.dnsNames, ...advertised.filter((name) => isIP(name) === 0)].filter((name) => name !== ""),
    },
    websocket: hub.websocket,
    https: hub.https,
    keepaliveMs: hub.keepaliveInterval * 1000,
    writeTimeoutMs: hub.writeTimeout * 1000,
    nodeLimit: hub.nodeLimit,
    edgeCertificateDays: hub.edgeCertSigningDuration,
    tokenRefreshHours: hub.tokenRefreshDuration,
    sharedToken: hub.sharedToken,
  };
}

/** The server's certificate is shown to whoever reads nodes here, too. */
function withAddress(config: CloudHubConfig, address: string | undefined): CloudHubConfig {
  const { ipAddresses } = config.names;
  if (address === undefined || ipAddresses.includes(address)) return config;
  return { ...config, names: { ...config.names, ipAddresses: [...ipAddresses, address] } };
}

async function expectCrds(kube: KubeClient, signal: AbortSignal): Promise<void> {
  for (const type of [OBJECT_SYNCS, CLUSTER_OBJECT_SYNCS]) {
    try {
      await kube.list(type, { limit: 1 }, signal);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      const resource = `${type.resource}.${type.group}`;
      throw new CloudCoreError(
        `the cluster does not know ${type.kind} (${apiVersionOf(type)}): run kubectl apply -f manifests/crds/`,
        { code: "CrdsMissing", resource },
        { cause: error },
      );
    }
  }
}

/** The first address that is not loopback; edges and other instances know us by it. */
export function localAddress(): string {
  for (const addresses of Object.values(networkInterfaces()))
    for (const { family, internal, address } of addresses ?? []) if (family === "IPv4" && !internal) return address;
  return "127.0.0.1";
}
