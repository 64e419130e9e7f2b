import type { Pod } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";

/**
 * Which of the runtime's ways to run a sandbox the pod wants, by its RuntimeClass; empty: the usual one.
 *
 * @throws when the class is not there, or nobody can tell: a pod that wants to be shut in more closely never runs with less.
 */
export async function runtimeHandler(
  { spec }: Pod,
  { bus }: Pick<EdgedParts, "bus">,
  signal: AbortSignal,
): Promise<string> {
  const name = spec?.runtimeClassName ?? "";
  if (name === "") return "";
  let found;
  try {
    found = await bus.request("meta/getRuntimeClass", { name }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`failed to lookup RuntimeClass ${name}: ${toError(error).message}`, { cause: error });
  }
  if (found === undefined)
    throw new Error(`RuntimeClass "${name}" not found: create it, or leave runtimeClassName out`);
  return found.handler;
}
