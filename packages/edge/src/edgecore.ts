import type { EdgeCoreConfig } from "@kedge/api";
import { type Logger, MessageBus, systemClock, toError } from "@kedge/runtime";
import { GroupCommit } from "@kedge/sqlite";
import { DeviceTwin } from "./devicetwin/devicetwin.ts";
import { HealthServer } from "./edgecore-health.ts";
import { AgentStatus } from "./edgecore-status.ts";
import type { EdgeBus, EdgeMessages, EdgeNotices } from "./edge-messages.ts";
import { startEdged } from "./edged/start-edged.ts";
import type { KubeletRequest } from "./edged/server/kubelet-request.ts";
import { kubeletTokenFile } from "./kubelet-token-file.ts";
import { EdgeHub } from "./edgehub/edgehub.ts";
import { edgeHubConfig } from "./edgehub/edgehub-config.ts";
import { EventBus } from "./eventbus/eventbus.ts";
import { MetaManager } from "./metamanager/metamanager.ts";
import { openEdgeDatabase } from "./metamanager/open-edge-database.ts";

/** The switches of `edgecore.yaml` whose part of the agent exists. */
export const SUPPORTED_SWITCHES: ReadonlySet<string> = new Set([
  "modules.deviceTwin.enable",
  "modules.edgeHub.enable",
  "modules.edgeHub.websocket.enable",
  "modules.edgeStream.enable",
  "modules.edged.enable",
  "modules.eventBus.enable",
  "modules.metaManager.enable",
]);

export interface EdgeCoreDeps {
  readonly logger: Logger;
  /** Of this program: `0.1.0`. */
  readonly agentVersion: string;
  /** The join token has served and can be forgotten. */
  readonly onTokenUsed: () => void;
  /** Where the parts meet; given by who wants to listen in. */
  readonly bus?: EdgeBus;
}

/** Starts the agent; one that cannot start leaves word why, beside its database. */
export async function startEdgeCore(
  config: EdgeCoreConfig,
  { bus = new MessageBus<EdgeMessages, EdgeNotices>(), ...deps }: EdgeCoreDeps,
  signal: AbortSignal,
): Promise<AsyncDisposableStack> {
  const status = new AgentStatus(config, deps.agentVersion, bus);
  try {
    return await startParts(config, { ...deps, bus, status }, signal);
  } catch (error) {
    if (!signal.aborted) status.leave(toError(error));
    throw error;
  }
}

/** The whole agent on one page; should one part fail to start, those before it stop. */
async function startParts(
  config: EdgeCoreConfig,
  {
    logger,
    agentVersion,
    onTokenUsed,
    bus,
    status,
  }: EdgeCoreDeps & { readonly bus: EdgeBus; readonly status: AgentStatus },
  signal: AbortSignal,
): Promise<AsyncDisposableStack> {
  const { modules, database } = config;
  const { hostnameOverride: nodeName, tailoredKubeletConfig: kubelet } = modules.edged;
  await using scope = new AsyncDisposableStack();
  const db = scope.adopt(openEdgeDatabase(database.dataSource, logger), (opened) => opened.close());
  scope.use(status).begin(db);
  const endpoint = { address: kubelet.address, port: kubelet.readOnlyPort, tokenFile: kubeletTokenFile(config) };
  const health = scope.use(await HealthServer.start(endpoint, { status, bus, logger }));
  const commits = scope.use(new GroupCommit(db));
  const deps = (component: string) => ({ logger: logger.child({ component }), bus, db, commits });

  if (modules.metaManager.enable) {
    const metaManager = { remoteQueryTimeoutMs: modules.metaManager.remoteQueryTimeout * 1000 };
    scope.use(await MetaManager.start(metaManager, deps("metamanager")));
  }
  if (modules.deviceTwin.enable) scope.use(await DeviceTwin.start({ nodeName }, deps("devicetwin"), signal));
  if (modules.eventBus.enable) scope.use(await EventBus.start(modules.eventBus, deps("eventbus"), signal));
  if (modules.edged.enable)
    scope.use(await startEdged(config, { ...deps("edged"), clock: systemClock, agentVersion }, signal));
  if (modules.edgeStream.enable) {
    // Loaded where it is wanted alone: it is off by default, as in KubeEdge.
    const { startEdgeStream } = await import("./edgestream/start-edgestream.ts");
    const answerKubelet = (request: KubeletRequest) => health.answer(request);
    scope.use(startEdgeStream(config, { ...deps("edgestream"), clock: systemClock, answerKubelet }));
  }
  if (modules.edgeHub.enable)
    // Last: the cloud speaks once all listen.
    scope.use(await EdgeHub.start(edgeHubConfig(config), { ...deps("edgehub"), onTokenUsed }, signal));
  return scope.move();
}
