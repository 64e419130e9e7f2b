import type { EdgeCoreConfig } from "@kedge/api";
import { CriClient, CriError } from "@kedge/cri";
import { type Clock, hasCode, type Logger, toError } from "@kedge/runtime";
import { mkdir } from "node:fs/promises";
import type { EdgeBus } from "../edge-messages.ts";
import type { EdgedConfig } from "./edged-config.ts";
import { edgedConfig, nodeReporterConfig } from "./edged-settings.ts";
import type { NodePlugins } from "./csi/node-plugins.ts";
import { Edged } from "./edged.ts";
import { NodeLease } from "./node/node-lease.ts";
import type { NodeHealth } from "./node/node-conditions.ts";
import type { RuntimeFacts } from "./node/node-facts.ts";
import { NodeImages } from "./images/node-images.ts";
import { NodeReporter } from "./node/node-reporter.ts";
import { setOwnOomScore } from "./node/own-oom-score.ts";
import type { KubeletEndpoint } from "./server/kubelet-endpoint.ts";
import { RuntimeAnswers } from "./runtime/runtime-answers.ts";
import { runtimeHealth } from "./runtime/runtime-health.ts";

export interface StartEdgedDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of this agent: `0.1.0`. */
  readonly agentVersion: string;
}

const DRIVER_TIMEOUT_MS = 5_000;

/**
 * Starts all that makes this host a node: its object, its status, its lease, its pods. Disposing the stack stops them,
 * and leaves the pods running.
 */
export async function startEdged(
  config: EdgeCoreConfig,
  deps: StartEdgedDeps,
  signal: AbortSignal,
): Promise<AsyncDisposableStack> {
  const { bus, logger, clock } = deps;
  await using scope = new AsyncDisposableStack();
  const settings = edgedConfig(config);
  await mkdir(settings.rootDirectory, { recursive: true, mode: 0o750 });
  await setOwnOomScore(config.modules.edged.tailoredKubeletConfig.oomScoreAdj, logger);
  const cri = scope.use(
    new CriClient({
      runtimeEndpoint: settings.runtimeEndpoint,
      imageEndpoint: settings.imageEndpoint,
      timeoutMs: settings.runtimeRequestTimeoutMs,
    }),
  );
  const stopping = new AbortController();
  const answers = new RuntimeAnswers(settings.runtimeEndpoint, logger);
  let nodeHealth: () => NodeHealth | undefined = () => undefined;
  let devices: () => RuntimeFacts["devices"] = () => undefined;
  let plugins: () => NodePlugins | undefined = () => undefined;
  const { nodeStatusMaxImages } = config.modules.edged.tailoredKubeletConfig;
  const images = new NodeImages(nodeStatusMaxImages, { images: cri.images, clock });
  let tellReady: (ready: boolean) => void = () => undefined;
  const runtime = async () => {
    const facts = await runtimeHealth(cri.runtime, stopping.signal);
    if (!stopping.signal.aborted) answers.note(facts.version === "" ? facts.errors[0] : undefined);
    const { pressure, errors = [] } = nodeHealth() ?? {};
    const volumesInUse = await plugins()?.volumes.inUse();
    return {
      ...facts,
      pressure,
      errors: [...facts.errors, ...errors],
      images: await images.list(stopping.signal),
      devices: devices(),
      volumesInUse,
      topology: plugins()?.drivers.topology,
    };
  };
  const onLook = (ready: boolean) => tellReady(ready);
  const reporterConfig = nodeReporterConfig(config, deps.agentVersion);
  const node = scope.use(await NodeReporter.start(reporterConfig, { bus, logger, clock, runtime, onLook }, signal));
  scope.defer(() => stopping.abort()); // before the reporter, which waits for its last round
  const cgroupDriver = await detectCgroupDriver(cri, settings, { logger, answers }, signal);
  const edged = scope.use(await Edged.start({ ...settings, cgroupDriver }, { bus, logger, clock, cri, node }, signal));
  node.onNewNode(() => edged.confirmPods());
  const { housekeeping } = edged;
  nodeHealth = () => housekeeping.health;
  tellReady = (ready) => housekeeping.tellReady(ready);
  devices = () => edged.deviceResources;
  housekeeping.onNodeChanged(() => node.reportSoon());
  plugins = () => edged.volumes.plugins;
  edged.volumes.plugins.volumes.onInUse(() => node.reportSoon());
  edged.volumes.plugins.drivers.onChange(() => node.reportSoon());
  node.onNewNode(() => edged.volumes.plugins.nodeRegistered()); // its CSINode went with the old one
  const lease = scope.use(
    NodeLease.start(
      {
        nodeName: settings.nodeName,
        durationSeconds: config.modules.edged.tailoredKubeletConfig.nodeLeaseDurationSeconds,
      },
      { bus, logger, clock, node: () => node.registeredNode(), onRecovered: () => node.reportAll() },
    ),
  );
  node.onNewNode(() => lease.renewSoon());
  scope.use(serveKubelet(config, { bus, clock, cri, edged, cgroupDriver, settings }));
  return scope.move();
}

/** Answers what a kubelet serves on its port. All that it takes is loaded when somebody asks for the first time. */
function serveKubelet(
  config: EdgeCoreConfig,
  {
    bus,
    clock,
    cri,
    edged,
    cgroupDriver,
    settings,
  }: {
    readonly bus: EdgeBus;
    readonly clock: Clock;
    readonly cri: CriClient;
    readonly edged: Edged;
    readonly cgroupDriver: "cgroupfs" | "systemd";
    readonly settings: EdgedConfig;
  },
): Disposable {
  let endpoint: Promise<KubeletEndpoint> | undefined;
  const load = async () => {
    const { makeKubeletEndpoint } = await import("./server/make-kubelet-endpoint.ts");
    const kubeletConfig = config.modules.edged.tailoredKubeletConfig;
    return makeKubeletEndpoint({ ...settings, cgroupDriver }, { clock, cri, edged, kubeletConfig });
  };
  return bus.handle("edged/kubelet", async (request) => (await (endpoint ??= load())).answer(request));
}

/** The runtime and we must agree on it; where the runtime cannot tell (containerd before 2.0) the configuration counts. */
async function detectCgroupDriver(
  cri: CriClient,
  { cgroupDriver }: EdgedConfig,
  { logger, answers }: { readonly logger: Logger; readonly answers: RuntimeAnswers },
  signal: AbortSignal,
): Promise<"cgroupfs" | "systemd"> {
  try {
    return await cri.runtime.cgroupDriver(AbortSignal.any([signal, AbortSignal.timeout(DRIVER_TIMEOUT_MS)]));
  } catch (error) {
    signal.throwIfAborted();
    const { message } = toError(error);
    if (hasCode(error, "DeadlineExceeded") || hasCode(error, "Unavailable")) answers.note(message);
    else if (!(error instanceof CriError && error.code === "Unimplemented"))
      logger.warn({ cause: message, cgroupDriver }, "the runtime's cgroup driver is not known: taking ours");
    return cgroupDriver;
  }
}
