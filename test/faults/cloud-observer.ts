import { DEVICE_STATUSES, type DeviceStatus } from "@kedge/api";
import { type Event, EVENTS } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { deferred } from "@kedge/runtime";

/** Watches what arrives in the cluster, and keeps book of what must never happen. */
export class CloudObserver implements AsyncDisposable {
  /** Tags that arrived. */
  readonly tags = new Set<number>();
  readonly violations: string[] = [];
  /** Newest value of the device's counter. */
  twin = 0;
  readonly #events: Informer<Event>;
  readonly #statuses: Informer<DeviceStatus>;
  #changed = deferred();

  private constructor(kube: KubeClient) {
    this.#events = new Informer<Event>(kube, EVENTS, { namespace: "default" });
    this.#statuses = new Informer<DeviceStatus>(kube, DEVICE_STATUSES, { namespace: "default" });
    this.#events.onChange((old, event) => this.#seeEvent(old, event));
    this.#statuses.onChange((_old, status) => this.#seeStatus(status));
  }

  static async start(kube: KubeClient): Promise<CloudObserver> {
    const observer = new CloudObserver(kube);
    await Promise.all([observer.#events.synced, observer.#statuses.synced]);
    return observer;
  }

  get arrived(): number {
    return this.tags.size;
  }

  #seeEvent(old: Event | undefined, event: Event | undefined): void {
    const name = (event ?? old)?.metadata?.name ?? "";
    if (!name.startsWith("tag-")) return;
    if (event === undefined) this.violations.push(`${name} was deleted`);
    else if (old !== undefined) this.violations.push(`${name} was applied twice: ${JSON.stringify(event)}`);
    else this.tags.add(Number(name.slice(4)));
    this.#tell();
  }

  #seeStatus(status: DeviceStatus | undefined): void {
    const reported = status?.status?.twins?.find(({ propertyName }) => propertyName === "counter")?.reported?.value;
    if (reported === undefined) return;
    const value = Number(reported);
    if (value < this.twin) this.violations.push(`the device's value went back from ${this.twin} to ${value}`);
    this.twin = Math.max(this.twin, value);
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** Resolves when `holds` does; looked at after each change. @returns false if it does not within the time. */
  async until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const late = AbortSignal.timeout(timeoutMs);
    const expired = new Promise<void>((resolve) => late.addEventListener("abort", () => resolve(), { once: true }));
    while (!holds()) {
      if (late.aborted) return false;
      await Promise.race([this.#changed.promise, expired]);
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events[Symbol.asyncDispose]();
    await this.#statuses[Symbol.asyncDispose]();
  }
}
