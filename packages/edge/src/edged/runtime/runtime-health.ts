import type { RuntimeService } from "@kedge/cri";
import { toError } from "@kedge/runtime";
import { runtimeFeatures } from "../security/runtime-features.ts";
import type { RuntimeFacts } from "../node/node-facts.ts";

/** A runtime that hangs is as bad as one that is gone. */
const TIMEOUT_MS = 10_000;

/** What the container runtime says of itself, for the node's status. Never throws: not to answer is an answer. */
export async function runtimeHealth(runtime: RuntimeService, stopped: AbortSignal): Promise<RuntimeFacts> {
  try {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(TIMEOUT_MS)]);
    const [version, answer] = await Promise.all([runtime.version(signal), runtime.statusAnswer(signal)]);
    const features = runtimeFeatures(answer);
    const errors = (answer.status?.conditions ?? [])
      .filter((condition) => !condition.status)
      .map(({ type, reason, message }) => {
        const what = type === "NetworkReady" ? "container runtime network not ready" : "container runtime not ready";
        return `${what}: ${type}=false reason:${reason} message:${message}`;
      });
    const handlers = Object.entries(features.handlers).map(([name, can]) => ({ name, features: { ...can } }));
    return {
      version: `${version.runtimeName}://${version.runtimeVersion}`,
      errors,
      features,
      // Of a runtime that names none nothing is told.
      ...(handlers.length > 0 && { handlers: handlers.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }),
    };
  } catch (error) {
    return { version: "", errors: [`container runtime is down: ${toError(error).message}`] };
  }
}
