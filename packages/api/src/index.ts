export type { Device, DeviceModel, DeviceStatus } from "./devices/devices.ts";
