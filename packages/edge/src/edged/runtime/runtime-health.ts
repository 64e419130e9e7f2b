import type { RuntimeService } from "@kedge/cri";
import { toError } from "@kedge/runtime";
import type { RuntimeFacts } from "../node/node-facts.ts";

/** A runtime that hangs is as bad as one that is gone. */
const TIMEOUT_MS = 10_000;

/** What the container runtime says of itself, for the node's status. Never throws: not to answer is an answer. */
export async function runtimeHealth(runtime: RuntimeService, stopped: AbortSignal): Promise<RuntimeFacts> {
  try {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT_MS)]);
    const [version, status] = await Promise.all([runtime.version(signal), runtime.status(signal)]);
    const errors = (status?.conditions ?? [])
      .filter((condition) => !condition.status)
      .map(({ type, reason, message }) => {
        const what = type === "NetworkReady" ? "container runtime network not ready" : "container runtime not ready";
        return `${what}: ${type}=false reason:${reason} message:${message}`;
      });
    return { version: `${version.runtimeName}://${version.runtimeVersion}`, errors };
  } catch (error) {
    return { version: "", errors: [`container runtime is down: ${toError(error).message}`] };
  }
}
