import type * as services from "./device-services.ts";

export type DeviceServices = typeof services;

/** What speaks to device plugins, loaded when the first one calls: a node without any does not pay for it. */
export function loadDeviceServices(): Promise<DeviceServices> {
  return import("./device-services.ts");
}
