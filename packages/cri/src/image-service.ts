import type { AuthConfig, PodSandboxConfig } from "./cri-inputs.ts";
import { type FilesystemUsage, type Image, ImageService as Rpc } from "./generated/runtime/v1/api_pb.js";
import type { GrpcChannel } from "./grpc-channel.ts";

const { method } = Rpc;

export interface PullRequest {
  /** With tag or digest. */
  readonly image: string;
  readonly auth?: AuthConfig | undefined;
  readonly sandboxConfig?: PodSandboxConfig | undefined;
}

/** Images over CRI v1. Every call throws `CriError` or the signal's reason. */
export class ImageService {
  readonly #channel: GrpcChannel;
  readonly #timeoutMs: number;

  constructor(channel: GrpcChannel, timeoutMs: number) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  /** @returns `undefined` if it is not on this node. */
  async imageStatus(image: string, signal: AbortSignal): Promise<Image | undefined> {
    const request = { image: { image } };
    return (await this.#channel.callUnary(method.imageStatus, request, this.#timeoutMs, signal)).image;
  }

  /** Takes as long as it takes: only `signal` ends it. @returns the image's id. */
  async pullImage({ image, auth, sandboxConfig }: PullRequest, signal: AbortSignal): Promise<string> {
    const request = {
      image: { image },
      ...(auth !== undefined && { auth }),
      ...(sandboxConfig !== undefined && { sandboxConfig }),
    };
    return (await this.#channel.callUnary(method.pullImage, request, undefined, signal)).imageRef;
  }

  async listImages(signal: AbortSignal): Promise<Image[]> {
    return (await this.#channel.callUnary(method.listImages, {}, this.#timeoutMs, signal)).images;
  }

  /** Idempotent. */
  async removeImage(image: string, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.removeImage, { image: { image } }, this.#timeoutMs, signal);
  }

  async imageFsInfo(signal: AbortSignal): Promise<FilesystemUsage[]> {
    return (await this.#channel.callUnary(method.imageFsInfo, {}, this.#timeoutMs, signal)).imageFilesystems;
  }
}
