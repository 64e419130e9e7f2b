import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import {
  readTunnelFrame,
  TUNNEL_FRAME_BYTES_MAX,
  TUNNEL_TARGET_HOST,
  type TunnelConnect,
  TunnelFrameType,
  writeTunnelFrame,
  type TunnelFrame,
} from "@kedge/protocol";
import { deferred, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { startTunnelServer, type TlsIdentity, type TunnelLink } from "@kedge/transport";
import { type WebSocket, WebSocketServer } from "ws";
import type { EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { TestAuthority } from "../edgehub/test-cloud.test-data.ts";
import { EdgeStream } from "./edgestream.ts";
import type { AnswerKubelet } from "./serve-connection.ts";

export const NODE_NAME = "edge-1";
const SIGNAL_MS = 20_000;
const BASE_PORT = 0;

let connectIds = 0n;

/** A request as cloudcore sends it. */
export function request(path: string, query = "", more: Partial<TunnelConnect> = {}): TunnelConnect {
  connectIds += 1n;
  return { connectId: connectIds, scheme: "http", host: TUNNEL_TARGET_HOST, path, query, headers: {}, ...more };
}

export interface TunnelIdentities {
  readonly cloud: TlsIdentity;
  readonly edge: TlsIdentity;
}

export async function tunnelIdentities(): Promise<TunnelIdentities> {
  const authority = await TestAuthority.create();
  return {
    cloud: await authority.identity("CN=cloudcore", { server: true }),
    edge: await authority.identity(`O=system:nodes, CN=system:node:${NODE_NAME}`),
  };
}

/** A cloud of ours that takes one node's tunnels, one after the other. */
export class TestTunnelCloud implements AsyncDisposable {
  readonly identities: TunnelIdentities;
  readonly port: number;
  readonly #scope: AsyncDisposableStack;
  #next = deferred<TunnelLink>();

  private constructor(identities: TunnelIdentities, port: number, scope: AsyncDisposableStack) {
    this.identities = identities;
    this.port = port;
    this.#scope = scope;
  }

  static async start(identities?: TunnelIdentities): Promise<TestTunnelCloud> {
    await using scope = new AsyncDisposableStack();
    const own = identities ?? (await tunnelIdentities());
    let take: (tunnel: TunnelLink) => void = () => undefined;
    const server = scope.use(
      await startTunnelServer(
        {
          host: "127.0.0.1",
          port: BASE_PORT,
          tls: own.cloud,
          logger: silentLogger,
          refuse: () => undefined,
          onTunnel: (tunnel) => take(tunnel),
        },
        AbortSignal.timeout(SIGNAL_MS),
      ),
    );
    const cloud = new TestTunnelCloud(own, server.port, scope.move());
    take = (tunnel) => cloud.#next.resolve(tunnel);
    return cloud;
  }

  /** The next tunnel that a node opens, or has opened since the last was asked for. */
  async tunnel(): Promise<TunnelLink> {
    const tunnel = await this.#next.promise;
    this.#next = deferred();
    return tunnel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

/** A cloud that says what it is told, frame by frame, as stock does: text messages, and no agreement. */
export class StockTunnelCloud implements AsyncDisposable {
  readonly port: number;
  readonly identities: TunnelIdentities;
  readonly opened: Promise<WebSocket>;
  /** All that came, in order. */
  readonly frames: (TunnelFrame & { readonly binary: boolean })[] = [];
  readonly headers: Record<string, string | string[] | undefined> = {};
  /** Emits `connection` for each tunnel. */
  readonly server: WebSocketServer;
  readonly #scope: AsyncDisposableStack;
  #waiting: (() => void)[] = [];

  private constructor(
    port: number,
    identities: TunnelIdentities,
    scope: AsyncDisposableStack,
    sockets: WebSocketServer,
  ) {
    this.port = port;
    this.identities = identities;
    this.#scope = scope;
    this.server = sockets;
    const opened = deferred<WebSocket>();
    this.opened = opened.promise;
    sockets.on("connection", (socket, upgrade) => {
      Object.assign(this.headers, upgrade.headers);
      opened.resolve(socket);
      socket.on("message", (data: Buffer, binary) => {
        this.frames.push({ ...readTunnelFrame(data), binary });
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
  }

  static async start(): Promise<StockTunnelCloud> {
    await using scope = new AsyncDisposableStack();
    const identities = await tunnelIdentities();
    const server = createServer({ ...identities.cloud, requestCert: true, rejectUnauthorized: true });
    const sockets = new WebSocketServer({ server, maxPayload: TUNNEL_FRAME_BYTES_MAX, skipUTF8Validation: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    scope.defer(async () => {
      for (const socket of sockets.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    });
    return new StockTunnelCloud((server.address() as AddressInfo).port, identities, scope.move(), sockets);
  }

  async send(frame: TunnelFrame): Promise<void> {
    (await this.opened).send(writeTunnelFrame(frame), { binary: false });
  }

  /** All DATA of a connection, once it has ended. */
  async answer(connectId: bigint): Promise<Buffer> {
    const mine = () => this.frames.filter((frame) => frame.connectId === connectId);
    while (!mine().some(({ type }) => type === TunnelFrameType.removeConnect))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return Buffer.concat(mine().flatMap(({ type, data }) => (type === TunnelFrameType.data ? [data] : [])));
  }

  /** DATA of a connection so far, once `enough` of it is there. */
  async until(connectId: bigint, enough: (data: Buffer) => boolean): Promise<Buffer> {
    for (;;) {
      const all = this.frames.filter((frame) => frame.connectId === connectId && frame.type === TunnelFrameType.data);
      const data = Buffer.concat(all.map((frame) => frame.data));
      if (enough(data)) return data;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

/** The node's end, answering with what the test gives it. */
export function startTestEdgeStream(
  cloud: { readonly port: number; readonly identities: TunnelIdentities },
  answerKubelet: AnswerKubelet,
  {
    server = `127.0.0.1:${cloud.port}`,
    identity = cloud.identities.edge,
    bus = new MessageBus<EdgeMessages, EdgeNotices>(),
  } = {},
): EdgeStream {
  return EdgeStream.start(
    { nodeName: NODE_NAME, server, handshakeTimeoutMs: 5_000 },
    {
      bus,
      logger: silentLogger,
      clock: systemClock,
      identity: () => identity,
      nodeIP: () => Promise.resolve("192.0.2.2"),
      answerKubelet,
    },
  );
}
