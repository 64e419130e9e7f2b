import { TUNNEL_TARGET_HOST, type TunnelConnect, TunnelFrameType } from "@kedge/protocol";
import { deferred } from "@kedge/runtime";
import type { TunnelConnection, TunnelLink } from "@kedge/transport";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import type { ConnectKind } from "./kubelet-routes.ts";

/** What is asked of a node: the rest of a {@link TunnelConnect} is the same for all. */
export type NodeRequest = Pick<TunnelConnect, "path" | "query" | "headers" | "method" | "resume">;

/** The tunnels of the nodes that have theirs here, and what goes through them. */
export class Tunnels {
  readonly #links = new Map<string, TunnelLink>();
  readonly #waiting = new Map<string, Set<() => void>>();
  /** As stock counts: from 1, for all nodes together. */
  #lastConnectId = 0n;

  has(node: string): boolean {
    return this.#links.has(node);
  }

  get size(): number {
    return this.#links.size;
  }

  get nodes(): readonly string[] {
    return [...this.#links.keys()];
  }

  /** Streams that are open, of all nodes. */
  get sessions(): number {
    let sessions = 0;
    for (const { sessions: of } of this.#links.values()) sessions += of;
    return sessions;
  }

  /** The newest tunnel of a node counts; the one before ends, and is told why. */
  add(node: string, link: TunnelLink): void {
    void this.#links.get(node)?.sendClose("replaced by a newer tunnel of this node");
    this.#links.set(node, link);
    for (const tell of this.#waiting.get(node) ?? []) tell();
  }

  /** @returns whether it was the node's present one. */
  remove(node: string, link: TunnelLink): boolean {
    if (this.#links.get(node) !== link) return false;
    return this.#links.delete(node);
  }

  /** Ends a node's tunnel. */
  async end(node: string, reason: string): Promise<void> {
    const link = this.#links.get(node);
    this.#links.delete(node);
    await link?.sendClose(reason);
  }

  /** Whether the node's edge is one of ours; undefined: it has no tunnel here. */
  isAgreed(node: string): boolean | undefined {
    return this.#links.get(node)?.agreed;
  }

  /** Asks the node. @throws {KubeletRefusal} `NotConnected`; {@link TunnelError} `TooManySessions` */
  connect(node: string, kind: ConnectKind, request: NodeRequest): TunnelConnection {
    const link = this.#links.get(node);
    if (link === undefined || !link.open) throw notConnected(node);
    this.#lastConnectId += 1n;
    return link.connect(TunnelFrameType[kind], {
      ...request,
      connectId: this.#lastConnectId,
      scheme: "http",
      host: TUNNEL_TARGET_HOST,
    });
  }

  /** Resolves once the node has a tunnel here. @throws the signal's reason if it aborts before. */
  async waitFor(node: string, signal: AbortSignal): Promise<void> {
    if (this.#links.get(node)?.open === true) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = deferred();
    const waiting = this.#waiting.get(node) ?? new Set();
    this.#waiting.set(node, waiting);
    const leave = () => reject(signal.reason as Error);
    waiting.add(resolve);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(node);
    }
  }
}

export function notConnected(node: string): KubeletRefusal {
  return KubeletRefusal.of(
    "NotConnected",
    `node ${node} has no tunnel to this cloudcore: it is offline, or modules.edgeStream is off in its edgecore.yaml, or its edgeStream.server is not reachable; on the node run: edgecore doctor`,
  );
}
