import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type NodeGetInfoResponse,
  type NodeExpandVolumeRequestSchema,
  type NodePublishVolumeRequestSchema,
  NodeServiceCapability_RPC_Type as Rpc,
  type NodeStageVolumeRequestSchema,
  Node,
  type VolumeUsage,
  VolumeUsage_Unit as Unit,
} from "./generated/csi/v1/csi_pb.js";
import { GrpcChannel } from "./grpc-channel.ts";

const { method } = Node;

export type StageRequest = MessageInitShape<typeof NodeStageVolumeRequestSchema>;
export type PublishRequest = MessageInitShape<typeof NodePublishVolumeRequestSchema>;
export type ExpandRequest = MessageInitShape<typeof NodeExpandVolumeRequestSchema>;

/** What a driver on this node can do. */
export interface CsiNodeCapabilities {
  readonly stage: boolean;
  readonly stats: boolean;
  readonly expand: boolean;
  /** It knows of access modes that are for one node and tell one writer from several. */
  readonly singleNodeMultiWriter: boolean;
  /** It applies a pod's `fsGroup` itself. */
  readonly volumeMountGroup: boolean;
}

export interface CsiVolumeStats {
  /** Bytes. */
  readonly capacity: bigint | undefined;
  readonly available: bigint | undefined;
  readonly used: bigint | undefined;
  readonly inodes: bigint | undefined;
  readonly inodesFree: bigint | undefined;
  readonly inodesUsed: bigint | undefined;
}

/** The node's side of one CSI driver, over CSI v1. Every call throws `CriError` or the signal's reason. */
export class CsiNodeService implements Disposable {
  readonly #channel: GrpcChannel;
  readonly #timeoutMs: number;

  /** @param endpoint the driver's socket. @param driver its name, for error messages. */
  constructor(endpoint: string, driver: string, timeoutMs: number) {
    this.#channel = new GrpcChannel(endpoint, `CSI driver ${driver}`);
    this.#timeoutMs = timeoutMs;
  }

  info(signal: AbortSignal): Promise<NodeGetInfoResponse> {
    return this.#channel.callUnary(method.nodeGetInfo, {}, this.#timeoutMs, signal);
  }

  async capabilities(signal: AbortSignal): Promise<CsiNodeCapabilities> {
    const reply = await this.#channel.callUnary(method.nodeGetCapabilities, {}, this.#timeoutMs, signal);
    const has = (type: Rpc) =>
      reply.capabilities.some((one) => one.type.case === "rpc" && one.type.value.type === type);
    return {
      stage: has(Rpc.STAGE_UNSTAGE_VOLUME),
      stats: has(Rpc.GET_VOLUME_STATS),
      expand: has(Rpc.EXPAND_VOLUME),
      singleNodeMultiWriter: has(Rpc.SINGLE_NODE_MULTI_WRITER),
      volumeMountGroup: has(Rpc.VOLUME_MOUNT_GROUP),
    };
  }

  async stage(request: StageRequest, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.nodeStageVolume, request, this.#timeoutMs, signal);
  }

  async unstage(volumeId: string, stagingTargetPath: string, signal: AbortSignal): Promise<void> {
    const request = { volumeId, stagingTargetPath };
    await this.#channel.callUnary(method.nodeUnstageVolume, request, this.#timeoutMs, signal);
  }

  async publish(request: PublishRequest, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.nodePublishVolume, request, this.#timeoutMs, signal);
  }

  async unpublish(volumeId: string, targetPath: string, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.nodeUnpublishVolume, { volumeId, targetPath }, this.#timeoutMs, signal);
  }

  /** @returns the bytes that the volume has now; 0: the driver does not say. */
  async expand(request: ExpandRequest, signal: AbortSignal): Promise<bigint> {
    const reply = await this.#channel.callUnary(method.nodeExpandVolume, request, this.#timeoutMs, signal);
    return reply.capacityBytes;
  }

  async stats(volumeId: string, volumePath: string, signal: AbortSignal): Promise<CsiVolumeStats> {
    const request = { volumeId, volumePath };
    const { usage } = await this.#channel.callUnary(method.nodeGetVolumeStats, request, this.#timeoutMs, signal);
    const of = (unit: Unit): VolumeUsage | undefined => usage.find((one) => one.unit === unit);
    const [bytes, inodes] = [of(Unit.BYTES), of(Unit.INODES)];
    return {
      capacity: bytes?.total,
      available: bytes?.available,
      used: bytes?.used,
      inodes: inodes?.total,
      inodesFree: inodes?.available,
      inodesUsed: inodes?.used,
    };
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}
