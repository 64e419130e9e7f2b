import { EventRecorder } from "@kedge/kube-client";
import { abortable } from "@kedge/runtime";
import { CONTROLLER_TIMINGS, type ControllerContext, type ControllerDeps } from "./controller-deps.ts";
import { startDaemonSetController } from "./daemonset/daemonset-controller.ts";
import { startDeploymentController } from "./deployment/deployment-controller.ts";
import { startEndpointsController } from "./endpoints/endpoints-controller.ts";
import { startGarbageCollector } from "./garbage-collector/garbage-collector.ts";
import { startNamespaceController } from "./namespace/namespace-controller.ts";
import { startNodeHealthController } from "./node-lifecycle/node-health-controller.ts";
import { startPodGcController } from "./node-lifecycle/pod-gc-controller.ts";
import { startTaintEvictionController } from "./node-lifecycle/taint-eviction-controller.ts";
import { startReplicaSetController } from "./replicaset/replicaset-controller.ts";
import { startScheduler } from "./scheduler/scheduler.ts";
import { startNamespaceDefaultsController } from "./service-account/namespace-defaults-controller.ts";
import { startInformers } from "./shared-informers.ts";
import { startBinderController } from "./storage/binder-controller.ts";
import { startClaimProtectionController } from "./storage/claim-protection-controller.ts";
import { startDefaultClass } from "./storage/default-class.ts";
import { startEphemeralController } from "./storage/ephemeral-controller.ts";
import { startVolumeController } from "./storage/volume-controller.ts";

/**
 * The controllers that one machine needs of kube-controller-manager and kube-scheduler. They talk to the API server like
 * anybody else, so it does not matter which one. Resolves once their caches are filled.
 *
 * @throws the signal's reason if that aborts first; nothing runs then.
 */
export async function startControllers(deps: ControllerDeps, signal: AbortSignal): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack();
  const { kube, clock, rootCaPem } = deps;
  const logger = deps.logger.child({ component: "controllers" });
  const informers = startInformers(kube, logger, clock, scope);
  const recorders = new Map<string, EventRecorder>();
  const context: ControllerContext = {
    kube,
    logger,
    clock,
    rootCaPem,
    localPath: deps.localPath,
    informers,
    timings: { ...CONTROLLER_TIMINGS, ...deps.timings },
    recorder(component) {
      const recorder = recorders.get(component) ?? scope.use(new EventRecorder(kube, { component, logger, clock }));
      recorders.set(component, recorder);
      return recorder;
    },
  };
  for (const start of CONTROLLERS) scope.use(start(context));
  for (const informer of Object.values(informers)) await abortable(informer.synced, signal);
  return scope.move();
}

const CONTROLLERS: readonly ((context: ControllerContext) => AsyncDisposable)[] = [
  startScheduler,
  startDeploymentController,
  startReplicaSetController,
  startDaemonSetController,
  startEndpointsController,
  startNodeHealthController,
  startTaintEvictionController,
  startPodGcController,
  startNamespaceDefaultsController,
  startNamespaceController,
  startGarbageCollector,
  startBinderController,
  startVolumeController,
  startClaimProtectionController,
  startEphemeralController,
  startDefaultClass,
];
