import { setTimeout as delay } from "node:timers/promises";
import {
  create,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ClientReadableStream, type ServiceError } from "@grpc/grpc-js";
import { CriError } from "./cri-error.ts";

/** As a kubelet: lists of some hundred containers pass gRPC's 4 MiB. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 3_000;
/** What containerd answers from when it listens until its CRI plugin has looked around. */
const NOT_READY_YET = "server is not initialized yet";
const READY_POLL_MS = 50;

const deserializer =
  <D extends DescMessage>(desc: D) =>
  (bytes: Buffer): MessageShape<D> =>
    fromBinary(desc, bytes);

const serializer =
  <D extends DescMessage>(desc: D) =>
  (message: MessageShape<D>): Buffer => {
    const bytes = toBinary(desc, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

/** One connection to a gRPC server on a unix socket; it connects by itself, and again after a loss. */
export class GrpcChannel implements Disposable {
  readonly #client: Client;

  /** @param endpoint `unix:///run/containerd/containerd.sock`, or a path. */
  constructor(endpoint: string) {
    const target = endpoint.startsWith("/") ? `unix://${endpoint}` : endpoint;
    this.#client = new Client(target, credentials.createInsecure(), {
      "grpc.default_authority": "localhost", // containerd refuses the socket's path as authority
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
      "grpc.initial_reconnect_backoff_ms": RECONNECT_MIN_MS,
      "grpc.min_reconnect_backoff_ms": RECONNECT_MIN_MS,
      "grpc.max_reconnect_backoff_ms": RECONNECT_MAX_MS,
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_retries": 0,
    });
  }

  /**
   * Makes one call. While the server is away, or not ready yet, the call waits for it.
   *
   * @param timeoutMs `undefined`: no deadline, only `signal` ends it.
   * @throws {CriError} with the gRPC status, or the signal's reason if that aborts first.
   */
  async callUnary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: number | undefined,
    signal: AbortSignal,
  ): Promise<MessageShape<O>> {
    const deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
    for (;;) {
      try {
        return await this.#callOnce(method, request, deadlineMs, signal);
      } catch (error) {
        const starting = error instanceof CriError && error.message.includes(NOT_READY_YET);
        if (!starting || Date.now() + READY_POLL_MS > deadlineMs) throw error;
        await delay(READY_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  #callOnce<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<MessageShape<O>> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(method.input),
        deserializer(method.output),
        create(method.input, request),
        waitingMetadata(),
        { deadline: deadlineMs },
        (error: ServiceError | null, reply?: MessageShape<O>) => {
          signal.removeEventListener("abort", cancel);
          if (error === null && reply !== undefined) resolve(reply);
          else if (signal.aborted) reject(signal.reason as Error);
          else if (error !== null) reject(CriError.from(error, method.name));
          else reject(new Error(`${method.name}: neither error nor reply`));
        },
      );
      signal.addEventListener("abort", cancel, { once: true });
    });
  }

  /**
   * Opens a stream of replies; it ends when the server ends it.
   *
   * @throws {CriError} when the stream breaks, or the signal's reason if that aborts.
   */
  async *callServerStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, void> {
    signal.throwIfAborted();
    const call: ClientReadableStream<MessageShape<O>> = this.#client.makeServerStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      waitingMetadata(),
    );
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      for await (const reply of call) yield reply as MessageShape<O>;
    } catch (error) {
      signal.throwIfAborted();
      throw isServiceError(error) ? CriError.from(error, method.name) : error;
    } finally {
      signal.removeEventListener("abort", cancel);
      call.on("error", () => undefined); // cancelling reports itself as an error that nobody waits for any more
      call.cancel();
    }
    signal.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** While the server restarts, calls wait for it until their deadline: so all go on the moment it is back. */
function waitingMetadata(): Metadata {
  return new Metadata({ waitForReady: true });
}

function pathOf(method: { readonly name: string; readonly parent: { readonly typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}
