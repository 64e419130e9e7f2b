import { Signal } from "@kedge/cri";

/**
 * A container's own stop signal as the runtime knows it, if it knows such a thing: containerd before 2.1 sends the image's
 * one, else SIGTERM, whatever it is told.
 *
 * @param name `SIGUSR1`, `SIGRTMIN+3`, say; what no Linux has is the runtime's own choice.
 */
export function stopSignalOf(name: string | undefined): Signal {
  const key = (name ?? "").replace("+", "PLUS").replace("-", "MINUS");
  const signal = Object.hasOwn(Signal, key) ? Signal[key as keyof typeof Signal] : undefined;
  return typeof signal === "number" ? signal : Signal.RUNTIME_DEFAULT;
}

/** @returns `undefined`: the runtime does not say. */
export function stopSignalName(signal: Signal): string | undefined {
  if (signal === Signal.RUNTIME_DEFAULT) return undefined;
  return Signal[signal]?.replace("PLUS", "+").replace("MINUS", "-");
}
