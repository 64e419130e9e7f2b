/**
 * A living part: a static `start` resolves once it is ready, disposing stops it. What it waits for takes {@link signal},
 * so that stopping interrupts it.
 */
export abstract class Component implements AsyncDisposable {
  readonly #life = new AbortController();
  #stopped: Promise<void> | undefined;
  protected readonly signal: AbortSignal = this.#life.signal;

  protected abstract stop(): Promise<void>;

  [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new DOMException(`${this.constructor.name} stopped`, "AbortError"));
    return (this.#stopped ??= this.stop());
  }
}
