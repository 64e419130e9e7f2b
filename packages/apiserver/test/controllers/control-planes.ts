import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectKube, type KubeClient, loadKubeconfig, TransportKubeClient } from "@kedge/kube-client";
import { createLogger, systemClock, toError } from "@kedge/runtime";
import { findKubernetesBinaries, TestKubernetes } from "@kedge/testing";
import { startApiServer } from "../../src/apiserver.ts";
import type { ControllerTimings } from "../../src/controllers/controller-deps.ts";
import { startControllers } from "../../src/controllers/start-controllers.ts";

const run = promisify(execFile);

/** An API server with our controllers, and nobody else's. */
export interface ControlPlane extends AsyncDisposable {
  /** As an administrator. */
  readonly kube: KubeClient;
  readonly caPem: string;
  /** Where node-a's directories for claims are. */
  readonly volumes: string;
  kubectl(...args: string[]): Promise<string>;
}

export interface ControlPlaneKind {
  readonly name: string;
  start(timings: Partial<ControllerTimings>, signal: AbortSignal): Promise<ControlPlane>;
}

/** What the controllers must work with alike. */
export const CONTROL_PLANES: readonly ControlPlaneKind[] = [
  { name: "kube-apiserver", start: startReal },
  { name: "the embedded API server", start: startEmbedded },
];

async function startReal(timings: Partial<ControllerTimings>, signal: AbortSignal): Promise<ControlPlane> {
  await using scope = new AsyncDisposableStack();
  const kubernetes = scope.use(await TestKubernetes.start({ serviceAccountAdmission: true }));
  const kube = scope.use(kubernetes.connect());
  const rootCaPem = kubernetes.ca.certificatePem;
  const logger = createLogger({}, { level: "warn" });
  const localPath = volumesOf("node-a", scope);
  scope.use(await startControllers({ kube, logger, clock: systemClock, rootCaPem, timings, localPath }, signal));
  return assemble(kube, rootCaPem, localPath.directory, (...args) => kubernetes.kubectl(...args), scope.move());
}

/** The controllers ask it within the process, the tests over TLS. */
async function startEmbedded(timings: Partial<ControllerTimings>, signal: AbortSignal): Promise<ControlPlane> {
  await using scope = new AsyncDisposableStack();
  const stateDir = mkdtempSync(join(tmpdir(), "kedge-controllers-"));
  scope.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  const logger = createLogger({}, { level: "warn" });
  const config = { stateDir, address: "127.0.0.1", port: 0, advertiseAddresses: ["127.0.0.1"] };
  const server = scope.use(await startApiServer(config, { logger, clock: systemClock }, signal));
  const localPath = volumesOf("node-a", scope);
  const inProcess = scope.use(new TransportKubeClient(server.transport));
  const deps = { kube: inProcess, logger, clock: systemClock, rootCaPem: server.caPem, timings, localPath };
  scope.use(await startControllers(deps, signal));
  const kube = scope.use(connectKube(loadKubeconfig(server.adminKubeconfigPath)));
  const binaries = findKubernetesBinaries();
  if (typeof binaries === "string") throw new Error(binaries);
  const env = { ...process.env, KUBECONFIG: server.adminKubeconfigPath, HOME: stateDir };
  const kubectl = async (...args: string[]) => {
    try {
      return (await run(binaries.kubectl, args, { env })).stdout;
    } catch (error) {
      throw new Error(`kubectl ${args.join(" ")}: ${toError(error).message}`, { cause: error });
    }
  };
  return assemble(kube, server.caPem, localPath.directory, kubectl, scope.move());
}

function volumesOf(nodeName: string, scope: AsyncDisposableStack): { nodeName: string; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), "kedge-claims-"));
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  return { nodeName, directory };
}

function assemble(
  kube: KubeClient,
  caPem: string,
  volumes: string,
  kubectl: ControlPlane["kubectl"],
  scope: AsyncDisposableStack,
): ControlPlane {
  return { kube, caPem, volumes, kubectl, [Symbol.asyncDispose]: () => scope.disposeAsync() };
}
