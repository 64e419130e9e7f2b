import type { CloudCoreConfig } from "@kedge/api";
import { type ApiServer, startApiServer, startControllers } from "@kedge/apiserver";
import { startCloudCore } from "@kedge/cloud";
import { type KubeClient, TransportKubeClient } from "@kedge/kube-client";
import { deferred, type Logger, systemClock } from "@kedge/runtime";
import { applyCrds } from "./apply-crds.ts";
import { nodeAuthority } from "./node-authority.ts";

export interface ControlPlaneConfig {
  readonly stateDir: string;
  readonly kubeconfig: string;
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Absent: no cloudcore, the embedded control plane alone. */
  readonly cloudCore?: CloudCoreConfig;
  /** Whose directories claims get; absent: none are made for them. */
  readonly localPath?: { readonly directory: string; readonly nodeName: string };
}

export interface ControlPlane extends AsyncDisposable {
  readonly api: ApiServer;
}

/** The API server, its controllers and, if configured, cloudcore in one process. Should one part fail, all stop. */
export async function startControlPlane(
  config: ControlPlaneConfig,
  logger: Logger,
  signal: AbortSignal,
): Promise<ControlPlane> {
  await using scope = new AsyncDisposableStack();
  const { stateDir, kubeconfig: kubeconfigPath, address, port } = config;
  const loopback = deferred<KubeClient>();
  const authority = async () => nodeAuthority(await loopback.promise);
  const api = scope.use(
    await startApiServer(
      { stateDir, kubeconfigPath, address, port, advertiseAddresses: [address], nodeAuthority: authority },
      { logger: logger.child({ part: "apiserver" }), clock: systemClock },
      signal,
    ),
  );
  const kube = scope.use(new TransportKubeClient(api.transport));
  loopback.resolve(kube);
  await applyCrds(kube, signal);
  const deps = { kube, clock: systemClock };
  scope.use(
    await startControllers(
      {
        ...deps,
        logger: logger.child({ part: "controllers" }),
        rootCaPem: api.caPem,
        localPath: config.localPath,
      },
      signal,
    ),
  );
  if (config.cloudCore !== undefined)
    scope.use(await startCloudCore(config.cloudCore, { ...deps, logger: logger.child({ part: "cloudcore" }) }, signal));
  const running = scope.move();
  return { api, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
