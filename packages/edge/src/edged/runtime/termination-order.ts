import type { Pod } from "@kedge/kube";
import { abortable, deferred } from "@kedge/runtime";
import { isSidecar } from "../pods/plan-init-containers.ts";
import { DeadlineError, withDeadline } from "../with-deadline.ts";

/** Who must have ended before whom: sidecars after all regular containers, and after the sidecars that started later. */
export class TerminationOrder {
  readonly #ended = new Map<string, PromiseWithResolvers<void>>();
  readonly #before = new Map<string, readonly string[]>();

  /** @param running names of the containers that there are to end; nobody waits for others. */
  constructor({ spec }: Pod, running: readonly string[]) {
    for (const name of running) this.#ended.set(name, deferred());
    const later = (spec?.containers ?? []).map(({ name }) => name);
    for (const container of (spec?.initContainers ?? []).toReversed()) {
      if (!isSidecar(container)) continue;
      this.#before.set(container.name, [...later]);
      later.push(container.name);
    }
  }

  /** Resolves when it is this container's turn, or after `graceMs`. @throws the signal's reason */
  async turnOf(name: string, graceMs: number, signal: AbortSignal): Promise<void> {
    const waits = (this.#before.get(name) ?? [])
      .map((other) => this.#ended.get(other)?.promise)
      .filter((promise) => promise !== undefined);
    try {
      await withDeadline(graceMs, signal, (late) => abortable(Promise.all(waits), late));
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
    }
  }

  ended(name: string): void {
    this.#ended.get(name)?.resolve();
  }
}
