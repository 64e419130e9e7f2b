import type { DeviceRepository, StoredAttribute } from "./device-repository.ts";
import { booleanMember, objectMember, readObject, stringMember } from "./read-json.ts";
import type { MsgAttr } from "./twin-payloads.ts";

export const ATTRIBUTES_PER_DEVICE_MAX = 1024;

interface AttributeRequest {
  readonly value: string;
  readonly optional?: boolean;
  readonly type?: string;
}

/** Name → what is told of the change; `null`: removed. */
export type AttributeChanges = ReadonlyMap<string, Partial<MsgAttr> | null>;

/** @throws TypeError for a wrong type, and for too many. */
export function decodeAttributes(
  attributes: Readonly<Record<string, unknown>> | undefined,
): ReadonlyMap<string, AttributeRequest | null> | undefined {
  if (attributes === undefined) return undefined;
  const entries = Object.entries(attributes);
  if (entries.length > ATTRIBUTES_PER_DEVICE_MAX)
    throw new TypeError(`a device cannot have more than ${ATTRIBUTES_PER_DEVICE_MAX} attributes`);
  return new Map(
    entries.map(([name, value]) => {
      if (value === null) return [name, null];
      const object = readObject(value, name);
      const optional = booleanMember(object, "optional");
      const metadata = objectMember(object, "metadata");
      const type = metadata === undefined ? undefined : stringMember(metadata, "type");
      return [
        name,
        {
          value: stringMember(object, "value") ?? "",
          ...(optional !== undefined && { optional }),
          ...(type !== undefined && { type }),
        },
      ];
    }),
  );
}

/**
 * Within a transaction.
 *
 * @param extent `all`: those not named are removed.
 */
export function applyAttributes(
  devices: DeviceRepository,
  device: string,
  requests: ReadonlyMap<string, AttributeRequest | null>,
  extent: "all" | "some",
): AttributeChanges {
  const stored = new Map(devices.attributes(device).map((attribute) => [attribute.name, attribute]));
  const changes = new Map<string, Partial<MsgAttr> | null>();
  for (const [name, request] of requests) {
    const before = stored.get(name);
    if (request === null) {
      if (before?.optional === true) remove(name);
      continue;
    }
    const after: StoredAttribute = {
      name,
      value: request.value,
      optional: (before?.optional ?? true) && request.optional !== false,
      type: request.type ?? before?.type ?? "string",
      metadata: "{}",
    };
    const change = before === undefined ? viewAttribute(after) : difference(before, after);
    if (Object.keys(change).length === 0) continue;
    devices.putAttribute(device, after);
    changes.set(name, change);
  }
  if (extent === "all") for (const name of stored.keys()) if (!requests.has(name)) remove(name);
  return changes;

  function remove(name: string): void {
    devices.removeAttribute(device, name);
    changes.set(name, null);
  }
}

export function viewAttribute({ value, optional, type }: StoredAttribute): MsgAttr {
  return { value, optional, metadata: { type } };
}

/** The members that changed. */
function difference(before: StoredAttribute, after: StoredAttribute): Partial<MsgAttr> {
  return {
    ...(before.value !== after.value && { value: after.value }),
    ...(before.optional !== after.optional && { optional: after.optional }),
    ...(before.type !== after.type && { metadata: { type: after.type } }),
  };
}
