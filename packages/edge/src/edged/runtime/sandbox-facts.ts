import type { Pod } from "@kedge/kube";
import type { EdgedParts } from "../edged-parts.ts";
import { featuresOf, type HandlerFeatures } from "../security/runtime-features.ts";
import type { SandboxFacts } from "../security/sandbox-security-context.ts";
import type { IdMapping } from "../security/user-namespaces.ts";
import { runtimeHandler } from "./runtime-handler.ts";

/**
 * What there is to shut a pod in: asked for anew each time, since it decides on more than the sandbox.
 *
 * @throws when the pod's RuntimeClass is not there, or nobody can tell.
 */
export async function sandboxFacts(
  pod: Pod,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<SandboxFacts & { readonly can: HandlerFeatures; readonly ids: readonly IdMapping[] | undefined }> {
  const features = parts.node.runtimeFeatures?.();
  const handler = await runtimeHandler(pod, parts, signal);
  const can = featuresOf(features, handler);
  const own = pod.spec?.hostUsers === false && can.userNamespaces;
  return { features, handler, can, ids: own ? await parts.userNamespaces.of(pod) : undefined };
}
