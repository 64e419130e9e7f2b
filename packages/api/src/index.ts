export {
  type Device,
  DEVICE_MODELS,
  DEVICE_STATUSES,
  type DeviceModel,
  type DeviceModelSpec,
  DEVICES,
  DEVICES_API_VERSION,
  type DeviceSpec,
  type DeviceStatus,
  type DeviceStatusStatus,
  type TwinProperty,
} from "./devices/devices.ts";
export {
  CLUSTER_OBJECT_SYNCS,
  type ClusterObjectSync,
  OBJECT_SYNCS,
  type ObjectSync,
} from "./reliablesyncs/object-sync.ts";
export type { CloudCoreConfig } from "./config/cloudcore-config.ts";
export type { EdgeCoreConfig } from "./config/edgecore-config.ts";
export {
  defaultCloudCoreConfig,
  defaultEdgeCoreConfig,
  type HostFacts,
  loadCloudCoreConfig,
  loadEdgeCoreConfig,
  minCloudCoreConfig,
  minEdgeCoreConfig,
} from "./config/component-configs.ts";
