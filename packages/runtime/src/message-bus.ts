import { CodedError } from "./coded-error.ts";

/** Topic → the question's and the answer's type. */
export type Topics = { readonly [topic: string]: { readonly request: unknown; readonly reply: unknown } };

/** Topic → the notice's type. */
export type Notices = { readonly [topic: string]: unknown };

type Answer<T extends Topics, K extends keyof T> = (
  request: T[K]["request"],
  signal: AbortSignal,
) => Promise<T[K]["reply"]> | T[K]["reply"];

export class BusError extends CodedError<
  { readonly code: "NoAnswerer"; readonly topic: string } | { readonly code: "AnswererExists"; readonly topic: string }
> {}

/**
 * Carries typed questions between the components of one process, so that none imports another. `request` waits for its
 * answer, so nothing piles up in here. Notices go to whoever listens at that moment and are not kept: state must be
 * asked for, a notice only says that it is worth asking.
 */
export class MessageBus<T extends Topics, N extends Notices = Record<never, never>> {
  readonly #answerers = new Map<keyof T, (request: unknown, signal: AbortSignal) => unknown>();
  readonly #listeners = new Map<keyof N, Set<(notice: never) => void>>();

  /** Makes `answer` the one answerer of `topic` until the returned handle is disposed. @throws BusError `AnswererExists` */
  handle<K extends keyof T & string>(topic: K, answer: Answer<T, K>): Disposable {
    if (this.#answerers.has(topic))
      throw new BusError(`two components want to answer ${topic}`, { code: "AnswererExists", topic });
    const erased = answer as (request: unknown, signal: AbortSignal) => unknown;
    this.#answerers.set(topic, erased);
    return {
      [Symbol.dispose]: () => {
        if (this.#answerers.get(topic) === erased) this.#answerers.delete(topic);
      },
    };
  }

  /** Asks whoever answers `topic`. @throws BusError `NoAnswerer`, the answerer's own error, or the signal's reason. */
  async request<K extends keyof T & string>(
    topic: K,
    request: T[K]["request"],
    signal: AbortSignal,
  ): Promise<T[K]["reply"]> {
    signal.throwIfAborted();
    const answer = this.#answerers.get(topic);
    if (answer === undefined)
      throw new BusError(`no component answers ${topic}: is its module enabled?`, { code: "NoAnswerer", topic });
    return (await answer(request, signal)) as T[K]["reply"];
  }

  /** Whether somebody answers `topic` now; modules that can be switched off are asked for with this. */
  answers(topic: keyof T & string): boolean {
    return this.#answerers.has(topic);
  }

  /** Tells all who listen now. A listener must not throw and must not block: it takes note and returns. */
  notify<K extends keyof N & string>(topic: K, notice: N[K]): void {
    for (const listener of this.#listeners.get(topic) ?? []) (listener as (notice: N[K]) => void)(notice);
  }

  listen<K extends keyof N & string>(topic: K, listener: (notice: N[K]) => void): Disposable {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }
}
