import { CriError } from "@kedge/cri";
import { toError } from "@kedge/runtime";

/** What the runtime itself had to say, as users of kubelets know it: without which call it was. */
export function runtimeMessage(error: unknown): string {
  const { message } = toError(error);
  if (!(error instanceof CriError)) return message;
  const prefix = `${error.details.call}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}
