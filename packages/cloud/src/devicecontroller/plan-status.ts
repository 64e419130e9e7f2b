import type { Device, DeviceStatus, DeviceStatusStatus, TwinProperty } from "@kedge/api";
import type { ReportedState, ReportedTwin, ReportedValue } from "./read-report.ts";

type StatusTwin = NonNullable<DeviceStatusStatus["twins"]>[number];

/** What is to be written of one device: newest of each property. */
export interface PendingStatus {
  readonly twins: ReadonlyMap<string, ReportedTwin>;
  readonly state: ReportedState;
}

/**
 * What to merge into the DeviceStatus; undefined if it says all that already. The twins are always whole, since a merge
 * patch replaces lists; those of properties that the Device has no more are left out.
 */
export function planStatus(
  device: Device,
  status: DeviceStatus | undefined,
  pending: PendingStatus,
): DeviceStatusStatus | undefined {
  const twins = new Map<string, StatusTwin>();
  for (const twin of status?.status?.twins ?? [])
    if (twin.propertyName !== undefined) twins.set(twin.propertyName, twin);
  const properties = new Set(device.spec?.properties?.map(({ name }) => name));
  for (const [name, twin] of pending.twins) {
    if (!properties.has(name)) continue;
    if (twin === "deleted") twins.delete(name);
    else if (twin.reported !== undefined || twin.observedDesired !== undefined)
      twins.set(name, merge(twins.get(name) ?? { propertyName: name }, twin));
  }
  const kept = [...twins.values()].filter(({ propertyName }) => properties.has(propertyName));
  const patch: DeviceStatusStatus = {};
  if (JSON.stringify(kept) !== JSON.stringify(status?.status?.twins ?? [])) patch.twins = kept;
  const { state, lastOnlineTime } = pending.state;
  if (state !== undefined && state !== status?.status?.state) patch.state = state;
  if (lastOnlineTime !== undefined && lastOnlineTime !== status?.status?.lastOnlineTime)
    patch.lastOnlineTime = lastOnlineTime;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function merge(before: StatusTwin, { reported, observedDesired }: Exclude<ReportedTwin, "deleted">): StatusTwin {
  return {
    ...before,
    ...(reported !== undefined && { reported: property(reported) }),
    ...(observedDesired !== undefined && { observedDesired: property(observedDesired) }),
  };
}

function property({ value, metadata }: ReportedValue): TwinProperty {
  return Object.keys(metadata).length === 0 ? { value } : { value, metadata: { ...metadata } };
}
