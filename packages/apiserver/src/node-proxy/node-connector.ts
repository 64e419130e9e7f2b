import { request as httpsRequest } from "node:https";
import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { Node, NodeAddress } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { badGateway, badRequest } from "../rest/status-error.ts";
import type { KeyPairPem } from "../tls/certificate-authority.ts";

/** As a cluster's API server is told to choose; of a type, the first address counts. */
const PREFERRED_TYPES: readonly NodeAddress["type"][] = ["InternalIP", "ExternalIP", "Hostname"];
const CONNECT_MS = 10_000;
/** To the first word of an answer: a node may have to be asked through its tunnel. */
const ANSWER_MS = 45_000;

/** How the server proves who it is to nodes, and how nodes do. */
export interface NodeTrust {
  readonly client: () => KeyPairPem;
  /** Who signs the certificates of nodes' kubelet endpoints (PEM); undefined: nobody is known, and no node is called. */
  readonly authority: () => Promise<string | undefined>;
}

export interface NodeTarget {
  readonly node: string;
  readonly host: string;
  readonly port: number;
}

/** Where a node's kubelet endpoint is, as its status says. @throws KubeApiError `BadRequest` */
export function kubeletOf(node: Node): NodeTarget {
  const name = node.metadata?.name ?? "";
  const addresses = node.status?.addresses ?? [];
  const host = PREFERRED_TYPES.map((type) => addresses.find((address) => address.type === type)).find(Boolean)?.address;
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  if (host === undefined) throw badRequest(`node ${name} has no address yet: it has not reported, or it is offline`);
  if (port === 0)
    throw badRequest(`node ${name} has no kubelet endpoint: modules.edgeStream is off in its edgecore.yaml`);
  return { node: name, host, port };
}

/** Calls nodes' kubelet endpoints as an API server does: with its client certificate, at the address in the node's status. */
export class NodeConnector {
  readonly #trust: NodeTrust;

  constructor(trust: NodeTrust) {
    this.#trust = trust;
  }

  /** One request without a body. @returns once the answer begins. @throws KubeApiError `BadGateway` */
  async request(
    target: NodeTarget,
    { method, path, headers }: { method: string; path: string; headers?: Record<string, string> },
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { node, host, port } = target;
    const options = { ...(await this.#tls(target)), host, port, path, method, agent: false, signal };
    const outgoing = httpsRequest({ ...options, headers: { ...headers, host: authorityOf(target) } }, resolve);
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
    outgoing.once("error", reject);
    outgoing.end();
    try {
      return await promise;
    } catch (error) {
      signal.throwIfAborted();
      throw badGateway(`node ${node} at ${host}:${port} does not answer: ${toError(error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A connection on which nothing has been said. @throws KubeApiError `BadGateway` */
  async connect(target: NodeTarget, signal: AbortSignal): Promise<TLSSocket> {
    const { node, host, port } = target;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const socket = connect({ ...(await this.#tls(target)), host, port, ALPNProtocols: ["http/1.1"] }, () =>
      resolve(undefined),
    );
    const leave = () => void socket.destroy();
    socket.once("error", reject);
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)));
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
      socket.setTimeout(0);
      socket.setNoDelay(true);
      return socket;
    } catch (error) {
      socket.destroy();
      throw badGateway(`node ${node} at ${host}:${port} cannot be reached: ${toError(error).message}`);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  async #tls({ node }: NodeTarget): Promise<{ cert: string; key: string; ca: string }> {
    const ca = await this.#trust.authority();
    const { certPem: cert, keyPem: key } = this.#trust.client();
    if (ca !== undefined) return { cert, key, ca };
    throw badGateway(
      `node ${node} cannot be called: nobody has said who signs nodes' certificates; does cloudcore run?`,
    );
  }
}

export function authorityOf({ host, port }: NodeTarget): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
