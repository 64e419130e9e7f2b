import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AllocateResponse,
  type ContainerAllocateResponse,
  ContainerAllocateResponseSchema,
  type Device,
  DevicePlugin,
  type DevicePluginOptions,
} from "./generated/deviceplugin/v1beta1/api_pb.js";
import { GrpcChannel } from "./grpc-channel.ts";

const { method } = DevicePlugin;
/** As a kubelet: the first word of a plugin that has just registered. */
const CONNECT_TIMEOUT_MS = 10_000;
const PRE_START_TIMEOUT_MS = 30_000;
/** A kubelet waits for ever; a plugin that hangs must not keep all other pods from being admitted. */
const ALLOCATE_TIMEOUT_MS = 60_000;

/** One device plugin on its own socket, over the kubelet's device plugin API v1beta1. Calls throw `CriError`. */
export class DevicePluginClient implements Disposable {
  readonly #channel: GrpcChannel;

  constructor(socketPath: string) {
    this.#channel = new GrpcChannel(socketPath, "the device plugin");
  }

  options(signal: AbortSignal): Promise<DevicePluginOptions> {
    return this.#channel.callUnary(method.getDevicePluginOptions, {}, CONNECT_TIMEOUT_MS, signal);
  }

  /** Each value is the whole list; ends with the plugin. */
  async *listAndWatch(signal: AbortSignal): AsyncGenerator<readonly Device[], void> {
    for await (const { devices } of this.#channel.callServerStream(method.listAndWatch, {}, signal)) yield devices;
  }

  /** Which `size` of the available devices go best together. */
  async preferred(
    available: readonly string[],
    mustInclude: readonly string[],
    size: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const containerRequests = [
      { availableDeviceIDs: [...available], mustIncludeDeviceIDs: [...mustInclude], allocationSize: size },
    ];
    const request = { containerRequests };
    const reply = await this.#channel.callUnary(method.getPreferredAllocation, request, ALLOCATE_TIMEOUT_MS, signal);
    return reply.containerResponses[0]?.deviceIDs ?? [];
  }

  /** What a container needs to use these devices. */
  async allocate(ids: readonly string[], signal: AbortSignal): Promise<ContainerAllocateResponse | undefined> {
    const request = { containerRequests: [{ devicesIds: [...ids] }] };
    const reply: AllocateResponse = await this.#channel.callUnary(
      method.allocate,
      request,
      ALLOCATE_TIMEOUT_MS,
      signal,
    );
    return reply.containerResponses[0];
  }

  async preStart(ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.preStartContainer, { devicesIds: [...ids] }, PRE_START_TIMEOUT_MS, signal);
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}

/** As a kubelet's checkpoint keeps it. */
export function writeAllocation(allocation: MessageInitShape<typeof ContainerAllocateResponseSchema>): Uint8Array {
  return toBinary(ContainerAllocateResponseSchema, create(ContainerAllocateResponseSchema, allocation));
}

/** @throws when it is none. */
export function readAllocation(bytes: Uint8Array): ContainerAllocateResponse {
  return fromBinary(ContainerAllocateResponseSchema, bytes);
}
