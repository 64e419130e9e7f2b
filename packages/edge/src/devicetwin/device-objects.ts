import type { Device } from "@kedge/api";
import { compareResourceVersions, keyOf } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { AppliedDevice, DeviceObjectRepository } from "./device-object-repository.ts";
import type { DeviceRepository } from "./device-repository.ts";
import { DEVICES_MAX, TooManyDevices } from "./memberships.ts";
import type { PendingRepository } from "./pending-repository.ts";
import { desiredType, type DesiredValues, desiredValues, planDesired } from "./plan-desired.ts";
import { isTombstone, type StoredTwin, viewTwin } from "./stored-twin.ts";
import type { TwinDocumentEntry } from "./twin-payloads.ts";
import type { TwinPublisher } from "./twin-publisher.ts";
import type { TwinRepository } from "./twin-repository.ts";

export interface DeviceObjectsDeps {
  readonly node: string;
  readonly commits: GroupCommit;
  readonly devices: DeviceRepository;
  readonly twins: TwinRepository;
  readonly objects: DeviceObjectRepository;
  readonly pending: PendingRepository;
  readonly publisher: TwinPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Applied {
  readonly added: boolean;
  readonly documents: ReadonlyMap<string, TwinDocumentEntry>;
  readonly after: readonly StoredTwin[];
}

/** Makes devices and their expected values follow the Device objects that the cloud sent. */
export class DeviceObjects {
  readonly #deps: DeviceObjectsDeps;

  constructor(deps: DeviceObjectsDeps) {
    this.#deps = deps;
  }

  /** A Device arrived. An older copy than the one applied changes nothing; one that is another node's now has left us. */
  async apply(object: Device): Promise<void> {
    const { commits, publisher, node, objects } = this.#deps;
    const id = keyOf(object);
    if (object.spec?.nodeName !== node) {
      const applied = objects.get(id);
      if (applied !== undefined && isNews(applied, object)) await this.remove(object);
      return;
    }
    const applied = await commits.write(() => this.#apply(id, object));
    if (applied === undefined) return;
    const { name = "" } = object.metadata ?? {};
    const description = descriptionOf(object);
    if (applied.added) publisher.membershipChange({ added: { id, name, ...(description !== "" && { description }) } });
    publisher.document(id, undefined, applied.documents);
    if (applied.documents.size > 0) publisher.delta(id, applied.after);
  }

  /** A Device is gone. The deletion of another one of this name changes nothing. */
  async remove(object: Device): Promise<void> {
    const { commits, devices, objects, publisher } = this.#deps;
    const id = keyOf(object);
    const { uid = "", name = "" } = object.metadata ?? {};
    const removed = await commits.write(() => {
      const applied = objects.get(id);
      if (applied === undefined || (uid !== "" && applied.uid !== "" && applied.uid !== uid)) return false;
      devices.remove(id);
      return true;
    });
    if (removed) publisher.membershipChange({ removed: { id, name } });
  }

  /** All Devices that are stored: at the start, to make good what was missed. */
  async reconcile(objects: readonly Device[]): Promise<void> {
    const present = new Set(objects.map(keyOf));
    for (const object of objects) {
      try {
        await this.apply(object);
      } catch (error) {
        // One bad object must not keep the agent from starting.
        this.#deps.logger.error({ device: keyOf(object), error: toError(error) }, "stored Device not applied");
      }
    }
    for (const { id, name } of this.#deps.devices.list()) {
      if (present.has(id) || this.#deps.objects.get(id) === undefined) continue;
      await this.remove({ metadata: { namespace: id.slice(0, id.indexOf("/")), name } });
    }
  }

  #apply(id: string, object: Device): Applied | undefined {
    const { devices, objects, twins, clock, logger } = this.#deps;
    const { uid = "", resourceVersion = "0", name = "" } = object.metadata ?? {};
    const before = objects.get(id);
    if (before !== undefined && !isNews(before, object)) return undefined;

    const stored = devices.get(id);
    if (stored === undefined && devices.count() >= DEVICES_MAX) throw new TooManyDevices(id);
    if (stored === undefined || stored.description !== descriptionOf(object)) {
      const fresh = { id, name, state: "", lastOnline: "" };
      devices.put({ ...(stored ?? fresh), description: descriptionOf(object) });
    }
    const desired = desiredValues(object);
    const previous: DesiredValues = before?.desired ?? {};
    const documents = new Map<string, TwinDocumentEntry>();
    for (const [property, value] of Object.entries(desired).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const type = desiredType(object, property);
      const plan = planDesired(property, twins.get(id, property), previous[property], value, type, clock.now());
      if (plan.kind === "refused")
        logger.warn({ device: id, property, reason: plan.reason }, "desired value does not fit the twin's type");
      if (plan.kind !== "changed") continue;
      twins.put(id, plan.twin);
      documents.set(property, plan.document);
    }
    for (const property of Object.keys(previous))
      if (!Object.hasOwn(desired, property)) this.#removeTwin(id, property, documents);
    objects.put(id, { uid, resourceVersion, desired });
    return { added: stored === undefined, documents, after: twins.list(id) };
  }

  /** The Device has this property no more. */
  #removeTwin(id: string, property: string, documents: Map<string, TwinDocumentEntry>): void {
    const { twins, pending } = this.#deps;
    const twin = twins.get(id, property);
    if (twin === undefined) return;
    twins.remove(id, property);
    pending.drop(id, property);
    if (!isTombstone(twin)) documents.set(property, { last: viewTwin(twin), current: null });
  }
}

/** Whether this is another object, or a later state of the same. */
function isNews(applied: AppliedDevice, object: Device): boolean {
  const { uid = "", resourceVersion } = object.metadata ?? {};
  return applied.uid !== uid || compareResourceVersions(resourceVersion, applied.resourceVersion) > 0;
}

function descriptionOf(object: Device): string {
  return object.metadata?.labels?.["description"] ?? "";
}
