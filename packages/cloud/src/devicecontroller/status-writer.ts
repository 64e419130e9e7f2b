import { type Device, DEVICE_STATUSES, DEVICES, DEVICES_API_VERSION, type DeviceStatus } from "@kedge/api";
import { keyOf, parseKey } from "@kedge/kube";
import { type KubeClient, runController, WorkQueue } from "@kedge/kube-client";
import { type Clock, Component, deferred, hasCode, isRetryable, type Logger, toError } from "@kedge/runtime";
import type { DeviceView } from "./device-view.ts";
import { type PendingStatus, planStatus } from "./plan-status.ts";
import type { ReportedState, ReportedTwin } from "./read-report.ts";
import { REPORTED_VERSIONS_ANNOTATION } from "./reported-versions.ts";

/** Devices written at once; of each device one write is under way at most. */
export const STATUS_WORKERS_MIN = 16;

const NO_TWINS: ReadonlyMap<string, ReportedTwin> = new Map();
const NO_REPORT: PendingStatus = { twins: NO_TWINS, state: {} };

export interface StatusWriterDeps {
  readonly kube: KubeClient;
  readonly view: DeviceView;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface Report {
  readonly twins?: ReadonlyMap<string, ReportedTwin>;
  readonly state?: ReportedState;
  readonly versions?: string;
}

/** Newest of what was reported since the last write began. */
interface Pending {
  twins: Map<string, ReportedTwin>;
  state: ReportedState;
  /** What the values' versions are from now on, as an annotation holds them. */
  versions: string | undefined;
  /** Of the session in which the last of it was said: once it aborts, nothing of this may be written. */
  session: AbortSignal;
  written: PromiseWithResolvers<void>;
}

/**
 * Brings reports into DeviceStatus objects, and sees that each Device has one. While a write is under way, what comes is
 * gathered for the next: however fast a device reports, the API server hears of the newest only.
 */
export class StatusWriter extends Component {
  readonly #deps: StatusWriterDeps;
  readonly #queue: WorkQueue<string>;
  readonly #pending = new Map<string, Pending>();
  readonly #scope = new DisposableStack();
  readonly #running: Promise<void>;

  constructor(workers: number, deps: StatusWriterDeps) {
    super();
    this.#deps = deps;
    const { view, clock, logger } = deps;
    this.#queue = this.#scope.use(new WorkQueue<string>({ clock }));
    this.#scope.use(view.devices.onChange((_, device) => device !== undefined && this.#queue.add(keyOf(device))));
    this.#scope.use(
      view.statuses.onChange((old, status) => status === undefined && old !== undefined && this.#queue.add(keyOf(old))),
    );
    const count = Math.max(STATUS_WORKERS_MIN, workers);
    this.#running = runController(this.#queue, (key) => this.#write(key), logger, this.signal, count);
  }

  /**
   * Resolves once it is stored, or the device is gone.
   *
   * @param session of the node; once it aborts, another cloudcore may have newer reports: what waits is not written.
   * @throws if the API server refuses it for good; the session's reason.
   */
  report(device: string, report: Report, session: AbortSignal): Promise<void> {
    const none = (): Pending => ({
      twins: new Map<string, ReportedTwin>(),
      state: {},
      versions: undefined,
      session,
      written: deferred(),
    });
    let pending = this.#pending.get(device);
    if (pending?.session.aborted === true) giveUp(pending);
    if (pending === undefined || pending.session.aborted) pending = none();
    this.#pending.set(device, pending);
    pending.session = session;
    for (const [name, twin] of report.twins ?? NO_TWINS)
      pending.twins.set(name, mergeTwin(pending.twins.get(name), twin));
    pending.state = { ...pending.state, ...report.state };
    pending.versions = report.versions ?? pending.versions;
    this.#queue.add(device);
    return pending.written.promise;
  }

  async #write(key: string): Promise<Record<string, never>> {
    let pending = this.#pending.get(key);
    this.#pending.delete(key);
    if (pending?.session.aborted === true) {
      giveUp(pending);
      pending = undefined;
    }
    try {
      await this.#store(key, pending);
      pending?.written.resolve();
    } catch (error) {
      if (pending !== undefined) {
        if (pending.session.aborted) giveUp(pending);
        else if (isRetryable(error) && !this.signal.aborted) this.#putBack(key, pending);
        else {
          pending.written.promise.catch(() => undefined); // nobody may be waiting any more
          pending.written.reject(error);
        }
      }
      throw error;
    }
    return {};
  }

  async #store(key: string, pending: Pending | undefined): Promise<void> {
    const { kube, view } = this.#deps;
    // Our copy may lag behind: what was reported of a device that it does not know must not be lost.
    const device = view.devices.get(key) ?? (pending === undefined ? undefined : await this.#readDevice(key));
    if (device === undefined) return; // its status goes with it
    let status = view.status(key);
    if (status !== undefined && !isOwnedBy(status, device)) {
      // It was of an earlier Device of this name, and the garbage collector is about to take it.
      const { uid } = status.metadata ?? {};
      await this.#delete(key, uid);
      status = undefined;
    }
    const patch = planStatus(device, status, pending ?? NO_REPORT);
    const annotations = pending?.versions !== undefined && { [REPORTED_VERSIONS_ANNOTATION]: pending.versions };
    if (status === undefined) {
      view.noteWritten(await this.#create(device, patch ?? {}, annotations));
      return;
    }
    if (patch === undefined) return;
    try {
      // The twins are written whole, so they must be made from what there is: whoever wrote meanwhile is not undone (devices W7).
      const { resourceVersion } = status.metadata ?? {};
      const body = { metadata: { resourceVersion, ...(annotations && { annotations }) }, status: patch };
      view.noteWritten(await kube.patch(DEVICE_STATUSES, parseKey(key), { type: "merge", body }, this.signal));
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
      view.noteGone(key);
      const whole = planStatus(device, undefined, pending ?? NO_REPORT) ?? {};
      view.noteWritten(await this.#create(device, whole, annotations));
    }
  }

  async #readDevice(key: string): Promise<Device | undefined> {
    try {
      return await this.#deps.kube.get(DEVICES, parseKey(key), this.signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #create(
    device: Device,
    status: NonNullable<DeviceStatus["status"]>,
    annotations: Record<string, string> | false,
  ): Promise<DeviceStatus> {
    const { name = "", namespace = "", uid = "" } = device.metadata ?? {};
    const owner = {
      apiVersion: DEVICES_API_VERSION,
      kind: "Device",
      name,
      uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const object: DeviceStatus = {
      apiVersion: DEVICES_API_VERSION,
      kind: "DeviceStatus",
      metadata: { name, namespace, ownerReferences: [owner], ...(annotations && { annotations }) },
      ...(Object.keys(status).length > 0 && { status }),
    };
    return this.#deps.kube.create(DEVICE_STATUSES, object, this.signal);
  }

  async #delete(key: string, uid: string | undefined): Promise<void> {
    this.#deps.view.noteGone(key);
    try {
      await this.#deps.kube.delete(DEVICE_STATUSES, parseKey(key), this.signal, {
        ...(uid !== undefined && { preconditions: { uid } }),
      });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  /** What was not written goes below what came meanwhile. */
  #putBack(key: string, failed: Pending): void {
    const newer = this.#pending.get(key);
    if (newer === undefined) {
      this.#pending.set(key, failed);
      return;
    }
    for (const [name, twin] of newer.twins) failed.twins.set(name, mergeTwin(failed.twins.get(name), twin));
    failed.state = { ...failed.state, ...newer.state };
    failed.versions = newer.versions ?? failed.versions;
    failed.session = newer.session;
    failed.written.promise.then(newer.written.resolve, newer.written.reject);
    this.#pending.set(key, failed);
  }

  protected override async stop(): Promise<void> {
    await this.#running;
    this.#scope.dispose();
    for (const { written } of this.#pending.values()) {
      written.promise.catch(() => undefined);
      written.reject(this.signal.reason);
    }
    if (this.#pending.size > 0)
      this.#deps.logger.debug(
        { devices: this.#pending.size, error: toError(this.signal.reason) },
        "reports not written",
      );
    this.#pending.clear();
  }
}

/** Its session is void: what it said comes again, or counts no more. */
function giveUp({ written, session }: Pending): void {
  written.promise.catch(() => undefined); // nobody may be waiting any more
  written.reject(session.reason);
}

function mergeTwin(before: ReportedTwin | undefined, after: ReportedTwin): ReportedTwin {
  if (before === undefined || before === "deleted" || after === "deleted") return after;
  return {
    reported: after.reported ?? before.reported,
    observedDesired: after.observedDesired ?? before.observedDesired,
  };
}

/** One without an owner was made by hand; it serves as well. */
function isOwnedBy(status: DeviceStatus, device: Device): boolean {
  const owners = status.metadata?.ownerReferences?.filter(({ kind }) => kind === "Device") ?? [];
  return owners.length === 0 || owners.some(({ uid }) => uid === device.metadata?.uid);
}
