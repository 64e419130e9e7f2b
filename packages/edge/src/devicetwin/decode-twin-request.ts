import { CodedError } from "@kedge/runtime";
import { booleanMember, integerMember, member, objectMember, readObject, stringMember } from "./read-json.ts";
import type { TwinVersion } from "./twin-payloads.ts";
import { checkTwinName, checkTwinValue } from "./twin-value.ts";

/** Properties in one request; a device has no more. */
export const TWINS_PER_DEVICE_MAX = 1024;

/** One property of a request, checked. */
export interface TwinRequest {
  readonly expected?: string;
  readonly actual?: string;
  readonly optional?: boolean;
  readonly type?: string;
  readonly expectedVersion?: TwinVersion;
  readonly actualVersion?: TwinVersion;
}

export interface TwinUpdateRequest {
  readonly eventId: string;
  /** In the order of names; `null` asks to remove. */
  readonly twins: readonly (readonly [name: string, request: TwinRequest | null])[];
}

/** A client's request cannot be used; `message` is what the client is told. */
export class BadRequest extends CodedError<{ readonly code: "BadRequest"; readonly eventId: string }> {
  /** @param eventId of the request, as far as it could be read: the client finds its request again by it. */
  constructor(message: string, eventId: string, options?: ErrorOptions) {
    super(message, { code: "BadRequest", eventId }, options);
  }
}

const UNREADABLE = "Unmarshal update request body failed, please check the request";
const NO_TWIN = "Update twin error, key:twin does not exist";

/** Reads a twin update, from MQTT or from the cloud. @throws {BadRequest} */
export function decodeTwinUpdate(payload: string): TwinUpdateRequest {
  let eventId = "";
  try {
    const body = readObject(JSON.parse(payload), "the payload");
    const id = member(body, "event_id");
    if (typeof id === "string") eventId = id;
    stringMember(body, "event_id");
    integerMember(body, "timestamp");
    const twin = objectMember(body, "twin");
    if (twin === undefined) throw new BadRequest(NO_TWIN, eventId);
    return { eventId, twins: readTwins(twin, eventId) };
  } catch (error) {
    if (error instanceof BadRequest) throw error;
    throw new BadRequest(UNREADABLE, eventId, { cause: error });
  }
}

/** @throws {BadRequest} for a name or value that is not allowed; TypeError for a wrong type. */
export function readTwins(
  twin: Readonly<Record<string, unknown>>,
  eventId: string,
): (readonly [string, TwinRequest | null])[] {
  const names = Object.keys(twin).toSorted();
  if (names.length > TWINS_PER_DEVICE_MAX)
    throw new BadRequest(`a device cannot have more than ${TWINS_PER_DEVICE_MAX} twins`, eventId);
  // All types first, then names and values: the order in which the reference finds fault.
  const twins = names.map((name) => [name, readTwin(twin[name], name, eventId)] as const);
  for (const [name, request] of twins) {
    const reason = checkTwinName(name) ?? checkValues(request);
    if (reason !== undefined) throw new BadRequest(reason, eventId);
  }
  return twins;
}

function readTwin(value: unknown, name: string, eventId: string): TwinRequest | null {
  if (value === null) return null;
  const object = readObject(value, name);
  const expected = readValue(object, "expected", name, eventId);
  const actual = readValue(object, "actual", name, eventId);
  const optional = booleanMember(object, "optional");
  const metadata = objectMember(object, "metadata");
  const type = metadata === undefined ? undefined : (stringMember(metadata, "type") ?? "string");
  const expectedVersion = readVersion(object, "expected_version");
  const actualVersion = readVersion(object, "actual_version");
  return {
    ...(expected !== undefined && { expected }),
    ...(actual !== undefined && { actual }),
    ...(optional !== undefined && { optional }),
    ...(type !== undefined && { type }),
    ...(expectedVersion !== undefined && { expectedVersion }),
    ...(actualVersion !== undefined && { actualVersion }),
  };
}

function readValue(
  twin: Readonly<Record<string, unknown>>,
  side: string,
  name: string,
  eventId: string,
): string | undefined {
  const object = objectMember(twin, side);
  if (object === undefined) return undefined;
  const value = stringMember(object, "value");
  const metadata = objectMember(object, "metadata");
  if (metadata !== undefined) integerMember(metadata, "timestamp");
  if (value === undefined) throw new BadRequest(`twin ${name}: ${side} has no value`, eventId);
  return value;
}

function readVersion(twin: Readonly<Record<string, unknown>>, name: string): TwinVersion | undefined {
  const version = objectMember(twin, name);
  if (version === undefined) return undefined;
  return { cloud: integerMember(version, "cloud") ?? 0, edge: integerMember(version, "edge") ?? 0 };
}

function checkValues(request: TwinRequest | null): string | undefined {
  return checkTwinValue(request?.expected ?? "") ?? checkTwinValue(request?.actual ?? "");
}
