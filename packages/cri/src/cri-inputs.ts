/** What callers build for the runtime: the same messages with every field optional, and without generated extras. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AuthConfigSchema,
  CapabilitySchema,
  ContainerConfigSchema,
  DeviceSchema,
  DNSConfigSchema,
  ImageSpecSchema,
  KeyValueSchema,
  LinuxContainerResourcesSchema,
  LinuxContainerSecurityContextSchema,
  LinuxSandboxSecurityContextSchema,
  MountSchema,
  NamespaceOptionSchema,
  PodSandboxConfigSchema,
  PortMappingSchema,
  SecurityProfileSchema,
  SELinuxOptionSchema,
} from "./generated/runtime/v1/api_pb.js";

export type AuthConfig = MessageInitShape<typeof AuthConfigSchema>;
export type Capability = MessageInitShape<typeof CapabilitySchema>;
export type ContainerConfig = MessageInitShape<typeof ContainerConfigSchema>;
export type Device = MessageInitShape<typeof DeviceSchema>;
export type DNSConfig = MessageInitShape<typeof DNSConfigSchema>;
export type ImageSpec = MessageInitShape<typeof ImageSpecSchema>;
export type KeyValue = MessageInitShape<typeof KeyValueSchema>;
export type LinuxContainerResources = MessageInitShape<typeof LinuxContainerResourcesSchema>;
export type LinuxContainerSecurityContext = MessageInitShape<typeof LinuxContainerSecurityContextSchema>;
export type LinuxSandboxSecurityContext = MessageInitShape<typeof LinuxSandboxSecurityContextSchema>;
export type Mount = MessageInitShape<typeof MountSchema>;
export type NamespaceOption = MessageInitShape<typeof NamespaceOptionSchema>;
export type PodSandboxConfig = MessageInitShape<typeof PodSandboxConfigSchema>;
export type PortMapping = MessageInitShape<typeof PortMappingSchema>;
export type SecurityProfile = MessageInitShape<typeof SecurityProfileSchema>;
export type SELinuxOption = MessageInitShape<typeof SELinuxOptionSchema>;
