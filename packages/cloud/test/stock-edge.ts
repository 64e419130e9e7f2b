import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { request } from "node:https";
import { acknowledge, decodeMessage, encodeMessage, keepalive, type Message } from "@kedge/protocol";
import { WebSocket } from "ws";
import { encodeName } from "../src/cloudhub/pki/certificate-builder.ts";
import { bitString, element, integer, oid, sequence } from "../src/cloudhub/pki/der.ts";
import { derToPem } from "../src/cloudhub/pki/pem.ts";

/** Certificates and key of a joined edge, as PEM. */
export interface EdgeIdentity {
  readonly node: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A CSR as stock edges write it: any subject, P-256, proof by ECDSA with SHA-256. */
export function signingRequest(commonName: string, organization = "system:nodes"): { der: Buffer; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const info = sequence(
    integer(Buffer.from([0])),
    encodeName({ organization, commonName }),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa0),
  );
  const der = sequence(info, sequence(oid("1.2.840.10045.4.3.2")), bitString(sign("sha256", info, privateKey)));
  return { der, key: privateKey.export({ type: "sec1", format: "pem" }).toString() };
}

export interface HttpsAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** One request to port 10002; stock edges send a body with GET. */
export function httpsGet(
  port: number,
  path: string,
  options: {
    ca?: string;
    cert?: string;
    key?: string;
    headers?: Record<string, string>;
    body?: Buffer;
    method?: string;
  } = {},
): Promise<HttpsAnswer> {
  const { ca, cert, key, headers = {}, body, method = "GET" } = options;
  const length = body === undefined ? {} : { "content-length": String(body.length) };
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        ca,
        cert,
        key,
        agent: false,
        rejectUnauthorized: ca !== undefined,
        headers: { ...headers, ...length },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
        response.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Joins as a stock edge does: CA, its hash against the token's, CSR, certificate. */
export async function join(port: number, token: string, node: string): Promise<EdgeIdentity> {
  const ca = derToPem("CERTIFICATE", (await httpsGet(port, "/ca.crt")).body);
  const { der, key } = signingRequest(`system:node:${node}`);
  const headers = { Authorization: `Bearer ${token.split(".").slice(1).join(".")}`, NodeName: node };
  const { status, body } = await httpsGet(port, "/edge.crt", { ca, headers, body: der });
  if (status !== 200) throw new Error(`joining failed with ${status}: ${body.toString()}`);
  return { node, ca, cert: derToPem("CERTIFICATE", body), key };
}

type Predicate = (message: Message) => boolean;

/** Plays a stock edge on a plain WebSocket: acknowledges what it is told to, records all. */
export class StockEdge implements AsyncDisposable {
  readonly received: Message[] = [];
  readonly node: string;
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Which messages are acknowledged; a stock edge acknowledges all that it stores. */
  acknowledges: Predicate = (message) => message.route.group === "resource";
  readonly #waiting = new Set<{ matches: Predicate; resolve: (message: Message) => void }>();

  private constructor(node: string, socket: WebSocket) {
    this.node = node;
    this.socket = socket;
    this.closed = new Promise((resolve) =>
      socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    socket.on("message", (data: Buffer) => this.#receive(decodeMessage(data)));
    socket.on("error", () => undefined);
  }

  static async connect(port: number, identity: EdgeIdentity, headers: Record<string, string> = {}): Promise<StockEdge> {
    const { node, ca, cert, key } = identity;
    const socket = new WebSocket(`wss://127.0.0.1:${port}/e632aba927ea4ac2b575ec1603d56f10/${node}/events`, {
      ca,
      cert,
      key: createPrivateKey(key).export({ type: "pkcs8", format: "pem" }),
      headers: { node_id: node, project_id: "e632aba927ea4ac2b575ec1603d56f10", ConnectionUse: "msg", ...headers },
    });
    const edge = new StockEdge(headers["node_id"] ?? node, socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        reject(new Error(`refused with HTTP ${response.statusCode}`));
        socket.terminate();
      });
    });
    edge.send(keepalive());
    return edge;
  }

  #receive(message: Message): void {
    this.received.push(message);
    if (this.acknowledges(message)) this.send(acknowledge(message));
    for (const waiter of this.#waiting)
      if (waiter.matches(message)) {
        this.#waiting.delete(waiter);
        waiter.resolve(message);
      }
  }

  send(message: Message): void {
    this.socket.send(encodeMessage(message));
  }

  /** The next message that matches, or one that came already. */
  wait(matches: Predicate): Promise<Message> {
    const found = this.received.find(matches);
    if (found !== undefined) return Promise.resolve(found);
    return this.next(matches);
  }

  /** The next message that matches, from now on. */
  next(matches: Predicate): Promise<Message> {
    return new Promise((resolve) => this.#waiting.add({ matches, resolve }));
  }

  /** Sends and waits for the answer. */
  ask(message: Message): Promise<Message> {
    const answered = this.next(({ header }) => header.parent_msg_id === message.header.msg_id);
    this.send(message);
    return answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

export const of =
  (resource: string, operation?: string): Predicate =>
  ({ route }) =>
    route.resource === resource && (operation === undefined || route.operation === operation);
