export type * from "./cri-inputs.ts";
export { CriClient, type CriClientOptions } from "./cri-client.ts";
export { CriError, grpcCodeName, isNotFound } from "./cri-error.ts";
export type { CsiControllerCall } from "./csi-controller-service.ts";
export type {
  CsiNodeCapabilities,
  CsiNodeService,
  CsiVolumeStats,
  ExpandRequest,
  PublishRequest,
  StageRequest,
} from "./csi-node-service.ts";
export { loadPluginServices, type PluginServices } from "./load-plugin-services.ts";
export { type GrpcMethod, GrpcServer } from "./grpc-server.ts";
export { type DeviceServices, loadDeviceServices } from "./load-device-services.ts";
export type { RuntimeEvent } from "./runtime-events.ts";
export { ImageService, type PullRequest } from "./image-service.ts";
export { RuntimeService } from "./runtime-service.ts";
export {
  type Container,
  ContainerState,
  type ContainerStats,
  type ContainerStatus,
  type FilesystemUsage,
  type Image,
  MountPropagation,
  NamespaceMode,
  type PodSandbox,
  PodSandboxState,
  type PodSandboxStatus,
  Protocol,
  type RuntimeStatus,
  type StatusResponse as RuntimeStatusAnswer,
  SecurityProfile_ProfileType as SecurityProfileType,
  Signal,
  SupplementalGroupsPolicy,
} from "./generated/runtime/v1/api_pb.js";
export { BUSYBOX_PATH, busyboxImage, pauseImage } from "./busybox-images.ts";
export { type OciImage, writeOciLayout } from "./oci-layout.ts";
export { type TarEntry, writeTar } from "./tar.ts";
