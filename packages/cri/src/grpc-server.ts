import { once } from "node:events";
import { rm } from "node:fs/promises";
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { toError } from "@kedge/runtime";
import { CriError } from "./cri-error.ts";
import { readFrames, writeFrame } from "./grpc-frames.ts";

/** Programs that may be connected at once; more are cut. */
const CONNECTIONS_MAX = 64;
/** Calls of one program that may be under way at once. */
const CALLS_MAX = 16;
/** An idle connection may stay; a request must have come whole by then. */
const REQUEST_MS_MAX = 10_000;
const UNKNOWN = 2;
const UNIMPLEMENTED = 12;
/** The kernel's limit of a socket's path, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;

/** One call that a {@link GrpcServer} answers. */
export interface GrpcMethod {
  /** `/v1beta1.Registration/Register` */
  readonly path: string;
  answer(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** @param handle what it throws is told to the caller. */
export function unaryMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, signal: AbortSignal) => MessageInitShape<O> | Promise<MessageInitShape<O>>,
): GrpcMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    async answer(request, signal) {
      const reply = await handle(fromBinary(method.input, request), signal);
      return toBinary(method.output, create(method.output, reply));
    },
  };
}

/** Answers unary gRPC calls on a unix socket, as little of gRPC as that needs: see `README.md`. */
export class GrpcServer implements AsyncDisposable {
  readonly #server: Http2Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  readonly #life = new AbortController();

  private constructor(server: Http2Server, path: string) {
    this.#server = server;
    this.#path = path;
  }

  /**
   * @param path of the socket; what is there is replaced.
   * @param methods asked for with the first call, so that what nobody calls need not be loaded.
   * @throws when nobody can listen there.
   */
  static async listen(path: string, methods: () => Promise<readonly GrpcMethod[]>): Promise<GrpcServer> {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
      throw new RangeError(`${path} is too long for a socket: more than ${SOCKET_PATH_BYTES_MAX} bytes`);
    await rm(path, { force: true });
    const server = createServer({ settings: { maxConcurrentStreams: CALLS_MAX } });
    const self = new GrpcServer(server, path);
    server.on("connection", (socket: Socket) => self.#adopt(socket));
    server.on("session", (session) => {
      session.on("error", () => undefined); // its calls tell of it
      session.on("stream", (stream, headers) => void self.#answer(stream, headers, methods));
    });
    server.listen(path);
    await once(server, "listening");
    return self;
  }

  #adopt(socket: Socket): void {
    if (this.#sockets.size >= CONNECTIONS_MAX) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async #answer(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    methods: () => Promise<readonly GrpcMethod[]>,
  ): Promise<void> {
    stream.on("error", () => undefined); // who called is gone
    const call = new AbortController();
    stream.on("close", () => call.abort(new Error("the caller has given up")));
    const late = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), REQUEST_MS_MAX);
    try {
      const path = headers[":path"];
      const method = (await methods()).find((one) => one.path === path);
      if (method === undefined) return refuse(stream, UNIMPLEMENTED, `unknown method ${path ?? ""}`);
      let request: Uint8Array | undefined;
      for await (const frame of readFrames(stream)) request ??= frame; // to leave early would end the answer, too
      clearTimeout(late);
      if (request === undefined) throw new Error("a call without a message");
      const reply = await method.answer(request, AbortSignal.any([call.signal, this.#life.signal]));
      if (stream.destroyed) return;
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(writeFrame(reply));
    } catch (error) {
      refuse(stream, error instanceof CriError ? error.details.grpcCode : UNKNOWN, toError(error).message);
    } finally {
      clearTimeout(late);
    }
  }

  /** Cuts those who are connected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new Error("the server stops"));
    const closed = once(this.#server, "close");
    this.#server.close(); // removes the socket, too
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await rm(this.#path, { force: true });
  }
}

function refuse(stream: ServerHttp2Stream, code: number, message: string): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(code),
      "grpc-message": escapeMessage(message),
    },
    { endStream: true },
  );
  stream.resume();
}

/** All but printable ASCII, byte by byte. */
function escapeMessage(message: string): string {
  return message.replaceAll(/[^ -$&-~]+/g, (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
