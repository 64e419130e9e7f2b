import type { Clock } from "@kedge/runtime";
import { type GroupCommit } from "@kedge/sqlite";
import type { CloudReports, ReportNote } from "./cloud-reports.ts";
import { BadRequest, decodeTwinUpdate, TWINS_PER_DEVICE_MAX, type TwinUpdateRequest } from "./decode-twin-request.ts";
import type { DeviceRepository } from "./device-repository.ts";
import { isTombstone, type StoredTwin, viewTwin } from "./stored-twin.ts";
import { planTwinSync } from "./sync-twin.ts";
import { type MsgTwin, PayloadErrorCode, type TwinDocumentEntry } from "./twin-payloads.ts";
import type { TwinPublisher } from "./twin-publisher.ts";
import type { TwinRepository } from "./twin-repository.ts";
import { planTwinUpdate } from "./update-twin.ts";
import { readEventId } from "./read-event-id.ts";

export interface TwinRequestDeps {
  readonly commits: GroupCommit;
  readonly devices: DeviceRepository;
  readonly twins: TwinRepository;
  readonly publisher: TwinPublisher;
  readonly reports: CloudReports;
  readonly clock: Clock;
}

const UNKNOWN_DEVICE = "update rejected due to the device is not existed";
const SYNC_UNREADABLE = "unmarshal update request body failed, please check the request";

interface Changes {
  readonly documents: Map<string, TwinDocumentEntry>;
  readonly cloud: Map<string, MsgTwin>;
  /** All twins of the device, afterwards. */
  readonly after: readonly StoredTwin[];
}

/** Reads and changes twins: requests of MQTT clients and mappers, and syncs of the cloud. */
export class TwinRequests {
  readonly #deps: TwinRequestDeps;

  constructor(deps: TwinRequestDeps) {
    this.#deps = deps;
  }

  /** `twin/update`: what the node itself reports or wishes; answered on `twin/update/result`. */
  async update(device: string, payload: string): Promise<void> {
    const { commits, publisher, reports } = this.#deps;
    let request: TwinUpdateRequest;
    try {
      request = decodeTwinUpdate(payload);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.#refuse(device, error.details.eventId, PayloadErrorCode.badRequest, error.message);
      return;
    }
    const { eventId } = request;
    let outcome: "unknown" | { readonly reason: string } | UpdateOutcome;
    try {
      outcome = await commits.write(() => this.#applyUpdate(device, request));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#refuse(device, eventId, PayloadErrorCode.internal, reason);
      throw error;
    }
    if (outcome === "unknown") {
      this.#refuse(device, eventId, PayloadErrorCode.notFound, UNKNOWN_DEVICE);
    } else if ("reason" in outcome) {
      this.#refuse(device, eventId, PayloadErrorCode.badRequest, outcome.reason);
    } else {
      publisher.result(device, eventId, outcome.results);
      publisher.document(device, eventId, outcome.documents);
      publisher.delta(device, outcome.after);
      if (outcome.note !== undefined) reports.sendTwins(outcome.note, Object.fromEntries(outcome.cloud));
    }
  }

  /** `twin/cloud_updated`: what the cloud wishes; answered only if it cannot be read. */
  async sync(device: string, payload: string): Promise<void> {
    const { commits } = this.#deps;
    let request: TwinUpdateRequest;
    try {
      request = decodeTwinUpdate(payload);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.#refuse(device, error.details.eventId, PayloadErrorCode.badRequest, SYNC_UNREADABLE);
      return;
    }
    const changes = await commits.write(() =>
      this.#deps.devices.get(device) === undefined ? undefined : this.applySync(device, request),
    );
    if (changes === undefined) this.#refuse(device, request.eventId, PayloadErrorCode.notFound, UNKNOWN_DEVICE);
    else this.announceSync(device, request.eventId, changes);
  }

  /** `twin/get`: answered with all twins. */
  get(device: string, payload: string): void {
    const { devices, twins, publisher } = this.#deps;
    let eventId = "";
    try {
      eventId = readEventId(payload);
    } catch (error) {
      const reason = `Unmarshal twin info failed: ${error instanceof Error ? error.message : String(error)}`;
      publisher.device(device, "twin/get/result", "", { code: PayloadErrorCode.badRequest, reason });
      return;
    }
    if (devices.get(device) === undefined) {
      const reason = `Device ${device} not found while getting twin`;
      publisher.device(device, "twin/get/result", eventId, { code: PayloadErrorCode.notFound, reason });
      return;
    }
    const live = twins.list(device).filter((twin) => !isTombstone(twin));
    const twin = Object.fromEntries(live.map((one) => [one.name, viewTwin(one)]));
    publisher.device(device, "twin/get/result", eventId, { twin });
  }

  /** Within a transaction. */
  applySync(device: string, request: TwinUpdateRequest): Changes {
    const { twins, clock } = this.#deps;
    const documents = new Map<string, TwinDocumentEntry>();
    const cloud = new Map<string, MsgTwin>();
    for (const [name, twin] of request.twins) {
      const { changed, refused } = planTwinSync(name, twins.get(device, name), twin, clock.now());
      if (changed !== undefined) {
        twins.put(device, changed.twin);
        documents.set(name, changed.document);
      }
      if (refused !== undefined) cloud.set(name, refused);
    }
    return { documents, cloud, after: twins.list(device) };
  }

  /** After that transaction. */
  announceSync(device: string, event: string, { documents, cloud, after }: Changes): void {
    const { publisher, reports } = this.#deps;
    publisher.document(device, event, documents);
    if (documents.size > 0) publisher.delta(device, after);
    if (cloud.size > 0) reports.sendCorrection(device, Object.fromEntries(cloud));
  }

  #applyUpdate(device: string, request: TwinUpdateRequest): "unknown" | { readonly reason: string } | UpdateOutcome {
    const { devices, twins, reports, clock } = this.#deps;
    if (devices.get(device) === undefined) return "unknown";
    const before = new Map(twins.list(device).map((twin) => [twin.name, twin]));
    const plans = request.twins.map(
      ([name, twin]) => [name, planTwinUpdate(name, before.get(name), twin, clock.now())] as const,
    );
    for (const [, plan] of plans) if (plan.kind === "refused") return { reason: plan.reason };
    const results = new Map<string, MsgTwin | null>();
    const documents = new Map<string, TwinDocumentEntry>();
    const cloud = new Map<string, MsgTwin>();
    for (const [name, plan] of plans) {
      if (plan.kind !== "changed") continue;
      before.set(name, plan.twin);
      results.set(name, plan.result);
      documents.set(name, plan.document);
      cloud.set(name, plan.cloud);
    }
    if (before.size > TWINS_PER_DEVICE_MAX)
      return { reason: `a device cannot have more than ${TWINS_PER_DEVICE_MAX} twins` };
    for (const name of cloud.keys()) {
      const twin = before.get(name);
      if (twin !== undefined) twins.put(device, twin);
    }
    const note = cloud.size === 0 ? undefined : reports.note(device, [...cloud.keys()]);
    const after = [...before.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return { results, documents, cloud, after, note };
  }

  #refuse(device: string, eventId: string, code: number, reason: string): void {
    this.#deps.publisher.device(device, "twin/update/result", eventId, { code, reason });
  }
}

interface UpdateOutcome extends Changes {
  readonly results: Map<string, MsgTwin | null>;
  readonly note: ReportNote | undefined;
}
