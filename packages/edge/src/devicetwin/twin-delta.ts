import { isTombstone, type StoredTwin, viewTwin } from "./stored-twin.ts";
import type { MsgTwin } from "./twin-payloads.ts";

export interface TwinDelta {
  /** Every twin with an expected value. */
  readonly twin: Readonly<Record<string, MsgTwin>>;
  /** Property → expected value, where the actual one differs. */
  readonly delta: Readonly<Record<string, string>>;
}

/** What of a device is not yet as it should be; undefined if all is. */
export function twinDelta(twins: readonly StoredTwin[]): TwinDelta | undefined {
  const expecting = twins.filter((twin) => !isTombstone(twin) && (twin.expected.value ?? "") !== "");
  const differing = expecting.filter((twin) => twin.expected.value !== (twin.actual.value ?? ""));
  if (differing.length === 0) return undefined;
  return {
    twin: Object.fromEntries(expecting.map((twin) => [twin.name, viewTwin(twin)])),
    delta: Object.fromEntries(differing.map((twin) => [twin.name, twin.expected.value ?? ""])),
  };
}
