import { CodedError } from "@kedge/runtime";

export interface TwinVersion {
  readonly cloud: number;
  readonly edge: number;
}

/** One side of a reported property. */
export interface ReportedValue {
  readonly value: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: TwinVersion | undefined;
}

/** What an edge said of one property; `deleted`: it has no such twin any more. */
export type ReportedTwin =
  | "deleted"
  | { readonly reported: ReportedValue | undefined; readonly observedDesired: ReportedValue | undefined };

export interface ReportedState {
  readonly state?: string;
  readonly lastOnlineTime?: string;
}

/** What came is no device report. */
export class ReportError extends CodedError<{ readonly code: "BadReport" }> {
  constructor(what: string) {
    super(`the edge sent a device report that cannot be used: ${what}`, { code: "BadReport" });
  }
}

/** Longer texts are no values; the reference's edge lets 512 through. */
export const VALUE_CHARACTERS_MAX = 64 * 1024;

/** Content of `…/twin/edge_updated`. @throws {ReportError} @see `devices-and-messaging` §2.3 */
export function readTwinReport(content: unknown): ReadonlyMap<string, ReportedTwin> {
  const twins = object(object(parse(content), "content")["twin"] ?? {}, "twin");
  return new Map(Object.entries(twins).map(([name, twin]) => [name, readTwin(name, twin)]));
}

/** Content of `…/state/update`. @throws {ReportError} */
export function readStateReport(content: unknown): ReportedState {
  const device = object(object(parse(content), "content")["device"] ?? {}, "device");
  const state = text(device["state"], "state");
  const lastOnlineTime = text(device["lastOnlineTime"], "lastOnlineTime");
  return { ...(state && { state }), ...(lastOnlineTime && { lastOnlineTime }) };
}

function readTwin(name: string, value: unknown): ReportedTwin {
  if (value === null) return "deleted";
  const twin = object(value, name);
  const type = isAbsent(twin["metadata"])
    ? undefined
    : (text(object(twin["metadata"], "metadata")["type"], "type") ?? "");
  if (type === "deleted") return "deleted";
  return {
    reported: readValue(twin["actual"], twin["actual_version"], type),
    observedDesired: readValue(twin["expected"], twin["expected_version"], type),
  };
}

function readValue(side: unknown, version: unknown, type: string | undefined): ReportedValue | undefined {
  if (isAbsent(side)) return undefined;
  const { value, metadata } = object(side, "value");
  const read = text(value, "value");
  if (read === undefined) return undefined;
  const timestamp = isAbsent(metadata) ? undefined : object(metadata, "metadata")["timestamp"];
  return {
    value: read,
    metadata: {
      ...(typeof timestamp === "number" && { timestamp: String(timestamp) }),
      ...(type !== undefined && { type }),
    },
    version: readVersion(version),
  };
}

function readVersion(value: unknown): TwinVersion | undefined {
  if (isAbsent(value)) return undefined;
  const { cloud, edge } = object(value, "version");
  return typeof cloud === "number" && typeof edge === "number" ? { cloud, edge } : undefined;
}

/** As Go reads JSON. */
function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** A Go peer may send JSON as text. */
function parse(content: unknown): unknown {
  if (typeof content !== "string") return content;
  try {
    return JSON.parse(content);
  } catch {
    throw new ReportError("it is not JSON");
  }
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ReportError(`${what} is no object`);
  return value as Record<string, unknown>;
}

function text(value: unknown, what: string): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== "string") throw new ReportError(`${what} is no text`);
  if (value.length > VALUE_CHARACTERS_MAX) throw new ReportError(`${what} is longer than ${VALUE_CHARACTERS_MAX}`);
  return value;
}
