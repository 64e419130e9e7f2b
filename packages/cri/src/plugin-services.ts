/** What speaks to plugins. Nodes without any never load it: see {@link loadPluginServices}. */
export { CsiControllerService } from "./csi-controller-service.ts";
export { CsiNodeService } from "./csi-node-service.ts";
export {
  Controller as CsiController,
  Node as CsiNode,
  VolumeCapability_AccessMode_Mode as CsiAccessMode,
} from "./generated/csi/v1/csi_pb.js";
export { Registration } from "./generated/pluginregistration/v1/api_pb.js";
export { PluginRegistration } from "./plugin-registration.ts";
