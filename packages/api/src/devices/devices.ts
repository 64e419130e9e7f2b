import type { KubeObject, ResourceType } from "@kedge/kube";
import type {
  DeviceModelSpec,
  DeviceSpec,
  DeviceStatusStatus,
  LegacyDeviceStatus,
  TwinProperty,
} from "./device-schema.ts";

export type { DeviceModelSpec, DeviceSpec, DeviceStatusStatus, TwinProperty };

/** A device at the edge: what it is, and how its values should be. */
export interface Device extends KubeObject {
  spec?: DeviceSpec;
  status?: LegacyDeviceStatus;
}

/** What devices of one kind have in common. */
export interface DeviceModel extends KubeObject {
  spec?: DeviceModelSpec;
}

/** What the edge said last of the Device with the same namespace and name. */
export interface DeviceStatus extends KubeObject {
  spec?: object;
  status?: DeviceStatusStatus;
}

const GROUP = "devices.kubeedge.io";
export const DEVICES_API_VERSION = `${GROUP}/v1beta1`;

export const DEVICES: ResourceType<Device> = {
  group: GROUP,
  version: "v1beta1",
  kind: "Device",
  resource: "devices",
  namespaced: true,
};
export const DEVICE_MODELS: ResourceType<DeviceModel> = {
  group: GROUP,
  version: "v1beta1",
  kind: "DeviceModel",
  resource: "devicemodels",
  namespaced: true,
};
export const DEVICE_STATUSES: ResourceType<DeviceStatus> = {
  group: GROUP,
  version: "v1beta1",
  kind: "DeviceStatus",
  resource: "devicestatuses",
  namespaced: true,
};
