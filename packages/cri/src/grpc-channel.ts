import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { abortable, Backoff, toError } from "@kedge/runtime";
import { CriError } from "./cri-error.ts";
import { readFrames, writeFrame } from "./grpc-frames.ts";

const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 3_000;
/** What containerd answers from when it listens until its CRI plugin has looked around. */
const NOT_READY_YET = "server is not initialized yet";
const READY_POLL_MS = 50;
const WINDOW_BYTES = 1024 * 1024;
/** `grpc-timeout` has at most eight digits. */
const GRPC_TIMEOUT_MS_MAX = 99_999_999;

const OK = 0;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

type Method<I extends DescMessage, O extends DescMessage> = DescMethodUnary<I, O> | DescMethodServerStreaming<I, O>;

/**
 * One connection to a gRPC server on a unix socket; it connects by itself, and again after a loss.
 *
 * On node:http2 alone: that is all a client of one local server needs, and the agent's memory is a feature.
 */
export class GrpcChannel implements Disposable {
  readonly #path: string;
  readonly #server: string;
  #session: ClientHttp2Session | undefined;
  #connecting: Promise<ClientHttp2Session> | undefined;
  #disposed = false;

  /**
   * @param endpoint `unix:///run/containerd/containerd.sock`, or a path.
   * @param server who listens there, for error messages.
   */
  constructor(endpoint: string, server = "containerd") {
    this.#server = server;
    this.#path = endpoint.replace(/^unix:(\/\/)?/, "");
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
    const deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    for (;;) {
      try {
        let reply: MessageShape<O> | undefined;
        for await (const message of this.#call(method, request, deadlineMs, signal)) reply ??= message;
        if (reply === undefined) throw new CriError(method.name, UNKNOWN, "neither error nor reply");
        return reply;
      } catch (error) {
        const starting = error instanceof CriError && error.message.includes(NOT_READY_YET);
        if (!starting || performance.now() + READY_POLL_MS > deadlineMs) throw error;
        await delay(READY_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  /**
   * Opens a stream of replies; it ends when the server ends it.
   *
   * @throws {CriError} when the stream breaks, or the signal's reason if that aborts.
   */
  callServerStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, void> {
    return this.#call(method, request, Number.POSITIVE_INFINITY, signal);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#session?.destroy();
  }

  async *#call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    deadlineMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, void> {
    signal.throwIfAborted();
    const body = writeFrame(toBinary(method.input, create(method.input, request)));
    using deadline = new Deadline(deadlineMs, signal);
    const fail = (code: number, details: string, cause?: unknown): Error => {
      // Whose time is over wants to know who did not answer, and why; whose work is given up does not.
      const late = deadline.passed || (signal.aborted && toError(signal.reason).name === "TimeoutError");
      const where = details.startsWith(this.#path) ? details : `${this.#path}: ${details}`;
      if (late) return new CriError(method.name, DEADLINE_EXCEEDED, `no answer in time: ${where}`, cause, this.#server);
      if (signal.aborted) return signal.reason as Error;
      return new CriError(method.name, code, code === UNAVAILABLE ? where : details, cause, this.#server);
    };
    let stream: ClientHttp2Stream;
    let status: GrpcStatus | undefined;
    try {
      const session = await this.#connected(deadline.signal);
      stream = session.request({
        ":method": "POST",
        ":path": `/${method.parent.typeName}/${method.name}`,
        "content-type": "application/grpc",
        te: "trailers",
        ...(deadlineMs !== Number.POSITIVE_INFINITY && { "grpc-timeout": `${deadline.remainingMs}m` }),
      });
    } catch (error) {
      throw fail(UNAVAILABLE, toError(error).message, error);
    }
    const take = (headers: IncomingHttpHeaders) => (status ??= statusOf(headers));
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    stream.on("response", take).on("trailers", take);
    stream.on("error", () => undefined); // whoever reads gets it, too
    deadline.signal.addEventListener("abort", cancel, { once: true });
    try {
      stream.end(body);
      for await (const frame of readFrames(stream)) yield fromBinary(method.output, frame);
      if (status === undefined && !stream.closed) await once(stream, "close");
    } catch (error) {
      if (status === undefined || status.code === OK) throw fail(UNAVAILABLE, toError(error).message, error);
    } finally {
      deadline.signal.removeEventListener("abort", cancel);
      if (!stream.closed) cancel();
    }
    if (status === undefined) throw fail(UNAVAILABLE, "the connection was lost");
    if (status.code !== OK) throw fail(status.code, status.message);
  }

  /** @throws the signal's reason, or why there is no connection when that aborts. */
  async #connected(signal: AbortSignal): Promise<ClientHttp2Session> {
    const backoff = new Backoff({ initialMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS });
    for (;;) {
      if (this.#disposed) throw new Error("the channel is closed");
      const open = this.#session;
      if (open !== undefined && !open.closed && !open.destroyed) return open;
      try {
        this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
        return await abortable(this.#connecting, signal);
      } catch (error) {
        // The wait may end in the midst of a try, or between two: either way this is why.
        if (!signal.aborted) await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
        if (signal.aborted) throw new Error(`${this.#path}: ${toError(error).message}`, { cause: error });
      }
    }
  }

  async #connect(): Promise<ClientHttp2Session> {
    const session = connect("http://localhost", {
      createConnection: () => connectSocket(this.#path),
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    session.on("error", () => undefined); // its streams tell of it
    try {
      await once(session, "connect");
    } catch (error) {
      session.destroy();
      throw error;
    }
    session.setLocalWindowSize(WINDOW_BYTES);
    if (this.#disposed) session.destroy();
    this.#session = session;
    return session;
  }
}

/** A signal that aborts with another one, or when the time is over. */
class Deadline implements Disposable {
  readonly signal: AbortSignal;
  readonly #atMs: number;
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #abort = () => this.#controller.abort(this.#outer.reason);
  #passed = false;

  constructor(atMs: number, outer: AbortSignal) {
    this.#atMs = atMs;
    this.#outer = outer;
    this.signal = this.#controller.signal;
    outer.addEventListener("abort", this.#abort, { once: true });
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => {
      this.#passed = true;
      this.#controller.abort(new DOMException("the deadline has passed", "TimeoutError"));
    }, this.remainingMs);
  }

  get passed(): boolean {
    return this.#passed;
  }

  get remainingMs(): number {
    return Math.min(GRPC_TIMEOUT_MS_MAX, Math.max(0, Math.ceil(this.#atMs - performance.now())));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#abort);
  }
}

interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** A server that has nothing to say puts its status into the headers, else into the trailers. */
function statusOf(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const code = headers["grpc-status"];
  if (typeof code === "string") return { code: Number(code), message: decode(headers["grpc-message"]) };
  const http = Number(headers[":status"] ?? 200);
  return http === 200 ? undefined : { code: UNAVAILABLE, message: `HTTP status ${http}: is this a container runtime?` };
}

function decode(message: string | string[] | undefined): string {
  const text = typeof message === "string" ? message : "";
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not every server escapes
  }
}
