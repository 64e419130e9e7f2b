import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Message, newMessage } from "@kedge/protocol";
import { deferred, silentLogger } from "@kedge/runtime";
import { TestCa } from "@kedge/testing";
import { WebSocket, WebSocketServer as WsServer } from "ws";
import { connectWebSocket } from "../src/connect-websocket.ts";
import { linkEnd, type WebSocketLinkOptions } from "../src/link-end.ts";
import { Sweep } from "../src/sweep.ts";
import { WebSocketLink } from "../src/websocket-link.ts";
import { type LinkRequest, WebSocketServer, type WebSocketServerOptions } from "../src/websocket-server.ts";

export const ca = await TestCa.create("KubeEdge");
const [serverPair, client] = [
  await ca.issueServer("cloudcore", [], ["127.0.0.1"]),
  await ca.issueClient("system:node:edge-1", ["system:nodes"]),
];
export const serverTls = { cert: serverPair.certificate, key: serverPair.key, ca: ca.certificatePem };
export const clientTls = { cert: client.certificate, key: client.key, ca: ca.certificatePem };
export const linkOptions = { logger: silentLogger, writeTimeoutMs: 10_000, pingAfterMs: 0 };
const signal = new AbortController().signal;

/** A server that admits all, and its links in the order of their coming. */
export async function startServer(changes: Partial<WebSocketServerOptions> = {}) {
  const links: WebSocketLink[] = [];
  const firstLink = deferred<{ link: WebSocketLink; request: LinkRequest }>();
  const server = await WebSocketServer.start(
    {
      ...linkOptions,
      host: "127.0.0.1",
      port: 0,
      tls: serverTls,
      admit: () => ({}),
      onLink: (link, request) => {
        links.push(link);
        firstLink.resolve({ link, request });
      },
      ...changes,
    },
    signal,
  );
  return { server, links, firstLink: firstLink.promise };
}

export const dial = (server: WebSocketServer, changes: Partial<Parameters<typeof connectWebSocket>[0]> = {}) =>
  connectWebSocket(
    {
      ...linkOptions,
      url: `wss://127.0.0.1:${server.port}/project/edge-1/events`,
      headers: { node_id: "edge-1" },
      tls: clientTls,
      handshakeTimeoutMs: 10_000,
      ...changes,
    },
    signal,
  );

/** A WebSocket without our link on it. */
export const rawDial = (server: WebSocketServer) =>
  new WebSocket(`wss://127.0.0.1:${server.port}/`, {
    ca: ca.certificatePem,
    cert: client.certificate,
    key: client.key,
  });

export const message = (content: unknown): Message =>
  newMessage({ source: "test", group: "resource", operation: "update", resource: "default/pod/x", content });

/** Never comes by itself: the test looks, with `sweepAll`. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * A link on one end, and nothing of ours on the other, over plain TCP.
 *
 * @param dials whether the link is at the end that dialled.
 */
export async function barePair(dials: boolean, options: Partial<WebSocketLinkOptions> = {}) {
  const accepting = new WsServer({ host: "127.0.0.1", port: 0, skipUTF8Validation: true });
  await once(accepting, "listening");
  const accepted = once(accepting, "connection") as Promise<[WebSocket, IncomingMessage]>;
  const dialling = new WebSocket(`ws://127.0.0.1:${(accepting.address() as AddressInfo).port}`, {
    skipUTF8Validation: true,
  });
  const upgraded = once(dialling, "upgrade") as Promise<[IncomingMessage]>;
  const [[acceptedSocket, request], [response]] = await Promise.all([accepted, upgraded]);
  const ends: { socket: WebSocket; wire: Socket }[] = [
    { socket: dialling, wire: response.socket },
    { socket: acceptedSocket, wire: request.socket },
  ];
  const [ours, theirs] = dials ? ends : ends.toReversed();
  if (ours === undefined || theirs === undefined) throw new Error("there are two ends");
  const calculated = linkEnd({ ...linkOptions, ...options }, dials);
  const end = { ...calculated, sweep: new Sweep(NEVER_MS), lookMs: calculated.sweep.everyMs };
  theirs.socket.on("error", () => undefined);
  const link = new WebSocketLink(ours.socket, ours.wire, end);
  return {
    link,
    end,
    peer: theirs.socket,
    ourWire: ours.wire,
    /** The peer's, to write bytes that are no frames. */
    wire: theirs.wire,
    async [Symbol.asyncDispose]() {
      link.terminate("test over");
      theirs.socket.terminate();
      accepting.close();
      await once(accepting, "close");
    },
  };
}
