import { CriError } from "./cri-error.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { ImageService } from "./image-service.ts";
import { containerdEvents, criEvents, type RuntimeEvent } from "./runtime-events.ts";
import { RuntimeService } from "./runtime-service.ts";

export interface CriClientOptions {
  /** `unix:///run/containerd/containerd.sock`, or a path. */
  readonly runtimeEndpoint: string;
  /** Default: `runtimeEndpoint`. */
  readonly imageEndpoint?: string | undefined;
  /** Deadline of a usual call. Default 2 minutes. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 120_000;

/** A container runtime over CRI v1. It connects with the first call, and again by itself after a loss. */
export class CriClient implements Disposable {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly #channels: [GrpcChannel, ...GrpcChannel[]];

  constructor({ runtimeEndpoint, imageEndpoint, timeoutMs = TIMEOUT_MS }: CriClientOptions) {
    const channel = new GrpcChannel(runtimeEndpoint);
    this.#channels = [channel];
    let imageChannel = channel;
    if (imageEndpoint !== undefined && imageEndpoint !== runtimeEndpoint) {
      imageChannel = new GrpcChannel(imageEndpoint);
      this.#channels.push(imageChannel);
    }
    this.runtime = new RuntimeService(channel, timeoutMs);
    this.images = new ImageService(imageChannel, timeoutMs);
  }

  /**
   * What happens to containers and sandboxes, until the stream breaks: containerd's own stream, else CRI's. No server
   * tells when it begins, so what happens in the first moments may be missed: list afterwards.
   *
   * @throws {CriError} `Unimplemented`: this runtime has neither, so it must be polled.
   */
  async *events(signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
    try {
      yield* containerdEvents(this.#channels[0], signal);
    } catch (error) {
      if (!(error instanceof CriError && error.code === "Unimplemented")) throw error;
      yield* criEvents(this.#channels[0], signal);
    }
  }

  [Symbol.dispose](): void {
    for (const channel of this.#channels) channel[Symbol.dispose]();
  }
}
