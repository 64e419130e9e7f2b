import { DevicePlugin, type RegisterRequest, Registration } from "./generated/deviceplugin/v1beta1/api_pb.js";
import {
  type AllocatableResourcesResponseSchema,
  type ListPodResourcesResponseSchema,
  type PodResourcesSchema,
  PodResourcesLister,
} from "./generated/podresources/v1/api_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type GrpcMethod, unaryMethod } from "./grpc-server.ts";

/** What speaks of devices: nodes without any never load it, see `loadDeviceServices`. */
export { DevicePluginClient, readAllocation, writeAllocation } from "./device-plugin-client.ts";
/** The generated description, for a peer in tests. */
export { DevicePlugin as DevicePluginApi, Registration as DeviceRegistrationApi };
export { PodResourcesLister as PodResourcesApi };

/** What a plugin asks of a kubelet. */
export function deviceRegistration(
  register: (request: RegisterRequest, signal: AbortSignal) => Promise<void>,
): GrpcMethod[] {
  return [
    unaryMethod(Registration.method.register, async (request, signal) => {
      await register(request, signal);
      return {};
    }),
  ];
}

export type PodResourcesInit = MessageInitShape<typeof PodResourcesSchema>;

export interface PodResourcesFacts {
  list(): NonNullable<MessageInitShape<typeof ListPodResourcesResponseSchema>["podResources"]>;
  allocatable(): MessageInitShape<typeof AllocatableResourcesResponseSchema>;
  /** @throws when there is no such pod. */
  get(namespace: string, name: string): PodResourcesInit;
}

/** The kubelet's pod resources API v1: who has which devices and CPUs. */
export function podResourcesMethods(facts: PodResourcesFacts): GrpcMethod[] {
  const { method } = PodResourcesLister;
  return [
    unaryMethod(method.list, () => ({ podResources: facts.list() })),
    unaryMethod(method.getAllocatableResources, () => facts.allocatable()),
    unaryMethod(method.get, ({ podName, podNamespace }) => ({ podResources: facts.get(podNamespace, podName) })),
  ];
}
