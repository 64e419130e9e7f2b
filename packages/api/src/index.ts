export type { Device, DeviceModel, DeviceStatus } from "./devices/devices.ts";
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
