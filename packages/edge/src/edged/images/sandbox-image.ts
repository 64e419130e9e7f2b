import type { RuntimeService } from "@kedge/cri";
import { parseImageName } from "./image-name.ts";

/**
 * The image that the runtime makes sandboxes from. No container shows that it is in use, and without it no pod starts
 * (W-55).
 *
 * @returns `undefined` if the runtime does not say.
 */
export async function sandboxImage(runtime: RuntimeService, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { config } = await runtime.verboseInfo(signal);
    const { sandboxImage: image } = JSON.parse(config ?? "{}") as { sandboxImage?: unknown };
    return typeof image === "string" && image !== "" ? image : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Whether this is, by its name, what sandboxes are made from; for runtimes that do not say. */
export function looksLikePause(names: readonly string[]): boolean {
  return names.some((name) => /(^|\/)pause(-[a-z0-9]+)?$/.test(parseImageName(name)?.repository ?? ""));
}
