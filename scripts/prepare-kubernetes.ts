/** Builds a real Kubernetes control plane for tests from the Go module proxy, once, into the user's cache. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { buildKubernetes, KUBERNETES_VERSION } from "./build-kubernetes.ts";

const PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"] as const;

function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kedge", "kubernetes");
}

function isComplete(folder: string): boolean {
  return PROGRAMS.every((program) => existsSync(join(folder, program)));
}

/** @returns what a person should know: where the programs are, or why there are none; then such tests are skipped. */
export async function prepareKubernetes(): Promise<string> {
  const given = process.env["KUBEBUILDER_ASSETS"];
  if (given !== undefined && isComplete(given)) return `Kubernetes for tests: ${given} (KUBEBUILDER_ASSETS)`;
  const programs = join(cacheFolder(), `bin-${KUBERNETES_VERSION}`);
  process.env["KUBEBUILDER_ASSETS"] = programs;
  if (isComplete(programs)) return `Kubernetes for tests: ${KUBERNETES_VERSION} in ${programs}`;
  const started = performance.now();
  try {
    await buildKubernetes(PROGRAMS, join(cacheFolder(), "src"), programs);
  } catch (error) {
    return `Kubernetes for tests: none, so tests against a real one are skipped: ${(error as Error).message}`;
  }
  return `Kubernetes for tests: built ${KUBERNETES_VERSION} in ${((performance.now() - started) / 1000).toFixed(0)} s`;
}
