/**
 * Builds a stock kubelet for the pod conformance suite (test/pods) from the Go module proxy, once, into the user's cache:
 * the same release as the API server of the tests.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { buildKubernetes, KUBERNETES_VERSION } from "./build-kubernetes.ts";

const ASSETS_VARIABLE = "KEDGE_KUBELET_ASSETS";

function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kedge", "kubelet");
}

/** @returns what a person should know: where it is, or why there is none; then the suite runs on Kedge alone. */
export async function prepareKubelet(): Promise<string> {
  const given = process.env[ASSETS_VARIABLE];
  if (given !== undefined && existsSync(join(given, "kubelet")))
    return `kubelet for tests: ${given} (${ASSETS_VARIABLE})`;
  const programs = join(cacheFolder(), `bin-${KUBERNETES_VERSION}`);
  process.env[ASSETS_VARIABLE] = programs;
  if (existsSync(join(programs, "kubelet"))) return `kubelet for tests: ${KUBERNETES_VERSION} in ${programs}`;
  const started = performance.now();
  try {
    await buildKubernetes(["kubelet"], join(cacheFolder(), "src"), programs);
  } catch (error) {
    return `kubelet for tests: none, so the pod suite runs on Kedge alone: ${(error as Error).message}`;
  }
  return `kubelet for tests: built ${KUBERNETES_VERSION} in ${((performance.now() - started) / 1000).toFixed(0)} s`;
}

if (import.meta.main) console.log(await prepareKubelet());
