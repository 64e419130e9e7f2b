import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect } from "node:tls";
import type { Clock } from "@kedge/runtime";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import { readEndpoint } from "./node-endpoint.ts";
import type { StreamView } from "./stream-view.ts";
import type { Tunnels } from "./tunnels.ts";

/** Carries a request on from one cloudcore to the one that holds the node's tunnel. */
export const PEER_HEADER = "kedge-peer";
/** A proof is good for so long: both ends' clocks are a cluster's. */
const PROOF_MS = 60_000;
const CONNECT_MS = 5_000;

export interface PeerForwardDeps {
  readonly view: Pick<StreamView, "node">;
  readonly tunnels: Tunnels;
  readonly clock: Clock;
  readonly self: () => { readonly address: string; readonly streamPort: number };
  /** The key of KubeEdge's CA, which all replicas share and nobody else has. */
  readonly caKey: Buffer;
  /** Whose certificate another cloudcore shows: PEM. */
  readonly trusted: () => string;
}

/**
 * Between replicas: a request that reached another one than the node's is carried on to it, with a proof that it was let in. Which
 * that is stands on the Node.
 */
export class PeerForward {
  readonly #deps: PeerForwardDeps;
  readonly #key: Buffer;

  constructor(deps: PeerForwardDeps) {
    this.#deps = deps;
    this.#key = Buffer.from(hkdfSync("sha256", deps.caKey, "", "kedge cloudstream peers", 32));
  }

  /** Whether the node's tunnel is at another cloudcore, as far as is known. */
  leadsElsewhere(node: string): boolean {
    return !this.#deps.tunnels.has(node) && this.#peerOf(node) !== undefined;
  }

  #peerOf(node: string): { address: string; streamPort: number } | undefined {
    const endpoint = readEndpoint(this.#deps.view.node(node));
    if (endpoint === undefined) return undefined;
    const { address, streamPort } = this.#deps.self();
    return endpoint.address === address && endpoint.streamPort === streamPort ? undefined : endpoint;
  }

  /** What a replica of ours says of a request. @returns the node. @throws {KubeletRefusal} `Unauthorized` */
  accept(proof: string, method: string, url: string): string {
    const [node = "", at = "", mac = ""] = proof.split(" ");
    const isRecent = Math.abs(this.#deps.clock.now() - Number(at)) <= PROOF_MS;
    const [given, own] = [Buffer.from(mac, "base64"), this.#mac(node, at, method, url)];
    if (!isRecent || given.length !== own.length || !timingSafeEqual(given, own))
      throw KubeletRefusal.of("Unauthorized", "this proof is not one of another cloudcore of this cluster");
    if (!this.#deps.tunnels.has(node))
      throw KubeletRefusal.of("NotConnected", `node ${node} has left the cloudcore that its Node names: try again`);
    return node;
  }

  #proof(node: string, { method = "", url = "" }: IncomingMessage): string {
    const at = String(this.#deps.clock.now());
    return `${node} ${at} ${this.#mac(node, at, method, url).toString("base64")}`;
  }

  #mac(node: string, at: string, method: string, url: string): Buffer {
    return createHmac("sha256", this.#key)
      .update(JSON.stringify([node, at, method, url]))
      .digest();
  }

  /** @throws {KubeletRefusal} `NotConnected`: the other cloudcore cannot be reached. */
  async forward(node: string, incoming: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const peer = this.#expectPeer(node);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { authorization: _token, host: _host, ...headers } = incoming.headers;
    const request = httpsRequest(
      {
        host: peer.address,
        port: peer.streamPort,
        path: incoming.url,
        method: incoming.method,
        headers: { ...headers, [PEER_HEADER]: this.#proof(node, incoming) },
        ca: this.#deps.trusted(),
        agent: false,
        timeout: CONNECT_MS,
        signal,
      },
      resolve,
    );
    request.once("error", reject);
    request.once(
      "timeout",
      () => void (request.reusedSocket || request.socket?.connecting !== true || request.destroy()),
    );
    request.end();
    let answer: IncomingMessage;
    try {
      answer = await promise;
    } catch (error) {
      throw unreachable(node, peer, error);
    }
    const { connection: _c, "transfer-encoding": _t, "keep-alive": _k, ...passed } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, passed);
    response.flushHeaders();
    await pipeline(answer, response).catch(() => void response.destroy());
  }

  /** @throws {KubeletRefusal} `NotConnected` */
  async forwardUpgrade(node: string, incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const peer = this.#expectPeer(node);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const { address: host, streamPort: port } = peer;
    const upstream = connect({ host, port, ca: this.#deps.trusted(), ALPNProtocols: ["http/1.1"] }, () =>
      resolve(undefined),
    );
    upstream.setTimeout(CONNECT_MS, () => upstream.destroy(new Error("no connection in time")));
    upstream.once("error", reject);
    try {
      await promise;
    } catch (error) {
      throw unreachable(node, peer, error);
    }
    upstream.setTimeout(0);
    const lines = [`${incoming.method ?? "GET"} ${incoming.url ?? "/"} HTTP/1.1`, `Host: ${host}:${port}`];
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      const name = incoming.rawHeaders[at] ?? "";
      if (!/^(host|authorization|kedge-peer)$/i.test(name)) lines.push(`${name}: ${incoming.rawHeaders[at + 1] ?? ""}`);
    }
    lines.push(`${PEER_HEADER}: ${this.#proof(node, incoming)}`);
    upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
    upstream.write(head);
    await Promise.allSettled([pipeline(socket, upstream), pipeline(upstream, socket)]);
  }

  #expectPeer(node: string): { address: string; streamPort: number } {
    const peer = this.#peerOf(node);
    if (peer === undefined) throw KubeletRefusal.of("NotConnected", `node ${node} is at no cloudcore now`);
    return peer;
  }
}

function unreachable(node: string, peer: { address: string; streamPort: number }, error: unknown): KubeletRefusal {
  return KubeletRefusal.of(
    "NotConnected",
    `node ${node} has its tunnel at the cloudcore ${peer.address}:${peer.streamPort}, which cannot be reached from here`,
    error,
  );
}
