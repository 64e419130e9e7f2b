import type { Device, DeviceStatus } from "@kedge/api";
import type { TwinVersion } from "./read-report.ts";

/** On a DeviceStatus: which versions its values have, so that a report that comes again after a restart sets nothing back. */
export const REPORTED_VERSIONS_ANNOTATION = "kedge.io/reported-versions";

/** `reported/<property>` or `observedDesired/<property>` → the version of its value. */
export type ReportedVersions = ReadonlyMap<string, TwinVersion>;

interface Stored {
  /** Of the edge's outbox: another database counts anew. */
  readonly stream: string;
  /** Of the Device: once it has changed, the edge may have started anew with it. */
  readonly generation: number | undefined;
  /** Key → [cloud, edge]. */
  readonly versions: Readonly<Record<string, readonly [number, number]>>;
}

/** Annotations may be 256 KiB together. A Device of thousands of properties goes without. */
const VERSIONS_CHARS_MAX = 128 * 1024;

/** @returns undefined if they are too many to be kept. */
export function formatVersions(stream: string, device: Device, versions: ReportedVersions): string | undefined {
  const stored: Stored = {
    stream,
    generation: device.metadata?.generation,
    versions: Object.fromEntries([...versions].map(([key, { cloud, edge }]) => [key, [cloud, edge] as const])),
  };
  const text = JSON.stringify(stored);
  return text.length <= VERSIONS_CHARS_MAX ? text : undefined;
}

/** @returns nothing if they are of another stream or of an older Device, or make no sense: anybody may write annotations. */
export function readVersions(stream: string, device: Device, status: DeviceStatus | undefined): ReportedVersions {
  const text = status?.metadata?.annotations?.[REPORTED_VERSIONS_ANNOTATION];
  const versions = new Map<string, TwinVersion>();
  try {
    const stored = JSON.parse(text ?? "null") as Partial<Stored> | null;
    if (stored?.stream !== stream || stored.generation !== device.metadata?.generation) return versions;
    for (const [key, [cloud, edge]] of Object.entries(stored.versions ?? {}))
      if (typeof cloud === "number" && typeof edge === "number") versions.set(key, { cloud, edge });
  } catch {
    // As if there were none.
  }
  return versions;
}
