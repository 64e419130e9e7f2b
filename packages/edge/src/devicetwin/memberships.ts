import type { Clock } from "@kedge/runtime";
import { CodedError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import { type AttributeChanges, applyAttributes, decodeAttributes, viewAttribute } from "./device-attributes.ts";
import type { DeviceObjectRepository } from "./device-object-repository.ts";
import type { DeviceRepository, StoredDevice } from "./device-repository.ts";
import { readTwins, type TwinUpdateRequest } from "./decode-twin-request.ts";
import { readEventId } from "./read-event-id.ts";
import { member, objectMember, readObject, stringMember } from "./read-json.ts";
import { DELETED } from "./twin-value.ts";
import { type DeviceElement, type MsgTwin, PayloadErrorCode } from "./twin-payloads.ts";
import type { TwinPublisher } from "./twin-publisher.ts";
import type { TwinRequests } from "./twin-requests.ts";

/** Devices of one node. */
export const DEVICES_MAX = 10_000;

export interface MembershipsDeps {
  readonly commits: GroupCommit;
  readonly devices: DeviceRepository;
  readonly objects: DeviceObjectRepository;
  readonly twinRequests: TwinRequests;
  readonly publisher: TwinPublisher;
  readonly clock: Clock;
}

export class TooManyDevices extends CodedError<{ readonly code: "TooManyDevices"; readonly devicesMax: number }> {
  constructor(id: string) {
    super(`device ${id} is not taken: this node has ${DEVICES_MAX} already`, {
      code: "TooManyDevices",
      devicesMax: DEVICES_MAX,
    });
  }
}

/**
 * Which devices the node has. A device whose Device object is here follows that object: membership messages are not
 * acknowledged and travel apart from objects, so they may come late.
 */
export class Memberships {
  readonly #deps: MembershipsDeps;

  constructor(deps: MembershipsDeps) {
    this.#deps = deps;
  }

  /** `membership` of the cloud: first those added, then those removed. */
  async change(content: unknown): Promise<void> {
    const body = readObject(content, "the membership");
    for (const element of elements(body, "added_devices")) await this.#add(element);
    for (const element of elements(body, "removed_devices")) await this.#remove(element.id, element.received);
  }

  /** `membership/detail` of the cloud: all devices there are. */
  async replace(content: unknown): Promise<void> {
    const listed = elements(readObject(content, "the membership"), "devices");
    for (const element of listed) await this.#add(element);
    const ids = new Set(listed.map(({ id }) => id));
    for (const { id } of this.#deps.devices.list()) if (!ids.has(id)) await this.#remove(id, { id });
  }

  /** `membership/get` of an MQTT client. */
  get(payload: string): void {
    const { devices, publisher } = this.#deps;
    let eventId: string;
    try {
      eventId = readEventId(payload);
    } catch (error) {
      const reason = `Unmarshal get membership info failed: ${error instanceof Error ? error.message : String(error)}`;
      publisher.membership("get/result", "", { code: PayloadErrorCode.badRequest, reason });
      return;
    }
    publisher.membership("get/result", eventId, { devices: devices.list().map((device) => this.#view(device)) });
  }

  /** Attributes of one device, from the cloud; those not named stay. */
  async updateAttributes(device: string, content: unknown): Promise<void> {
    const { commits, devices, publisher } = this.#deps;
    const attributes = decodeAttributes(objectMember(readObject(content, "the attributes"), "attributes"));
    if (attributes === undefined) return;
    const changes = await commits.write(() =>
      devices.get(device) === undefined ? undefined : applyAttributes(devices, device, attributes, "some"),
    );
    if (changes !== undefined) announce(publisher, device, changes);
  }

  async #add({ id, received, device, attributes, twins }: Element): Promise<void> {
    const { commits, devices, twinRequests, publisher } = this.#deps;
    const outcome = await commits.write(() => {
      const stored = devices.get(id);
      if (stored === undefined && devices.count() >= DEVICES_MAX) throw new TooManyDevices(id);
      if (stored === undefined) devices.put(device);
      const sync = twins === undefined ? undefined : twinRequests.applySync(id, twins);
      const changed = attributes === undefined ? undefined : applyAttributes(devices, id, attributes, "all");
      return { added: stored === undefined, sync, changed };
    });
    if (outcome.sync !== undefined) twinRequests.announceSync(id, "", outcome.sync);
    if (outcome.changed !== undefined) announce(publisher, id, outcome.changed);
    if (outcome.added) publisher.membershipChange({ added: received });
  }

  async #remove(id: string, received: DeviceElement): Promise<void> {
    const { commits, devices, objects, publisher } = this.#deps;
    const removed = await commits.write(() => {
      if (devices.get(id) === undefined || objects.get(id) !== undefined) return false;
      devices.remove(id);
      return true;
    });
    if (removed) publisher.membershipChange({ removed: received });
  }

  #view({ id, name, description, state, lastOnline }: StoredDevice): DeviceElement {
    const attributes = this.#deps.devices.attributes(id).map((one) => [one.name, viewAttribute(one)] as const);
    return {
      id,
      ...(name !== "" && { name }),
      ...(description !== "" && { description }),
      ...(state !== "" && { state }),
      ...(lastOnline !== "" && { last_online: lastOnline }),
      ...(attributes.length > 0 && { attributes: Object.fromEntries(attributes) }),
    };
  }
}

function announce(publisher: TwinPublisher, device: string, changes: AttributeChanges): void {
  if (changes.size > 0) publisher.device(device, "updated", "", { attributes: Object.fromEntries(changes) });
}

interface Element {
  readonly id: string;
  /** As it is told to MQTT clients: without versions. */
  readonly received: DeviceElement;
  readonly device: StoredDevice;
  readonly attributes: ReturnType<typeof decodeAttributes>;
  readonly twins: TwinUpdateRequest | undefined;
}

/** @throws TypeError for what is no list of devices. */
function elements(body: Readonly<Record<string, unknown>>, name: string): Element[] {
  const list = member(body, name) ?? [];
  if (!Array.isArray(list)) throw new TypeError(`${name} is not a list`);
  if (list.length > DEVICES_MAX) throw new TypeError(`${name} has more than ${DEVICES_MAX} devices`);
  return list.map((value) => readElement(readObject(value, "a device")));
}

function readElement(object: Readonly<Record<string, unknown>>): Element {
  const id = stringMember(object, "id") ?? "";
  if (!/^[^/]+\/[^/]+$/.test(id)) throw new TypeError(`device id ${JSON.stringify(id)} is not <namespace>/<name>`);
  const twin = objectMember(object, "twin");
  const device = {
    id,
    name: stringMember(object, "name") ?? id.slice(id.indexOf("/") + 1),
    description: stringMember(object, "description") ?? "",
    state: stringMember(object, "state") ?? "",
    lastOnline: stringMember(object, "last_online") ?? "",
  };
  return {
    id,
    device,
    received: { ...(object as object), id, ...(twin !== undefined && { twin: withoutVersions(twin) }) },
    attributes: decodeAttributes(objectMember(object, "attributes")),
    twins: twin === undefined ? undefined : { eventId: "", twins: readTwins(twin, "") },
  };
}

function withoutVersions(twin: Readonly<Record<string, unknown>>): Record<string, MsgTwin | null> {
  return Object.fromEntries(
    Object.entries(twin).map(([name, value]) => {
      const { expected_version: _, actual_version: __, ...rest } = (value ?? {}) as MsgTwin;
      return [name, value === null || rest.metadata?.type === DELETED ? null : rest];
    }),
  );
}
