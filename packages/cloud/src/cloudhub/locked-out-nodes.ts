import { CONFIG_MAPS, type ConfigMap } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, type Clock, type Logger } from "@kedge/runtime";
import { KUBEEDGE_NAMESPACE } from "./pki/secrets.ts";

/** ConfigMap that names the nodes which are to stay out, whatever they show: name → reason. */
export const LOCKED_OUT_NODES = "locked-out-nodes";
/** Of an administrator's reason, as it is told. */
const REASON_CHARS_MAX = 256;
/** WebSocket close code, for the edge's log. */
export const CLOSE_LOCKED_OUT = 4004;

/**
 * Nodes that an administrator has locked out. A certificate is good until its end, and cannot be called back; but what
 * it is good for can: who is named here gets no session and no certificate, at any replica, from that moment on.
 */
export class LockedOutNodes implements AsyncDisposable {
  readonly #maps: Informer<ConfigMap>;
  #nodes: ReadonlyMap<string, string> = new Map();

  private constructor(maps: Informer<ConfigMap>) {
    this.#maps = maps;
  }

  /** @param onLocked called for each node that is named from now on. @throws if `signal` aborts before the list is known. */
  static async start(
    deps: { readonly kube: KubeClient; readonly clock: Clock; readonly logger: Logger },
    onLocked: (node: string) => void,
    signal: AbortSignal,
  ): Promise<LockedOutNodes> {
    const { kube, clock, logger } = deps;
    const fieldSelector = `metadata.name=${LOCKED_OUT_NODES}`;
    await using scope = new AsyncDisposableStack();
    const options = { namespace: KUBEEDGE_NAMESPACE, fieldSelector, clock, logger };
    const maps = scope.use(new Informer(kube, CONFIG_MAPS, options));
    await abortable(maps.synced, signal);
    const locked = new LockedOutNodes(maps);
    maps.onChange((_, map) => {
      const before = locked.#nodes;
      locked.#nodes = new Map(Object.entries(map?.data ?? {}));
      for (const node of locked.#nodes.keys())
        if (!before.has(node)) {
          logger.warn({ node, reason: locked.#nodes.get(node) }, "node locked out");
          onLocked(node);
        }
    });
    scope.move();
    return locked;
  }

  /** Why this node stays out, and what to do about it; undefined: it may come in. */
  why(node: string): string | undefined {
    const reason = this.#nodes.get(node);
    if (reason === undefined) return undefined;
    const said = reason.trim() === "" ? "" : ` (${reason.trim().slice(0, REASON_CHARS_MAX)})`;
    return `node ${node} is locked out of this cluster${said}: take it out of ConfigMap ${KUBEEDGE_NAMESPACE}/${LOCKED_OUT_NODES} to let it in again`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#maps[Symbol.asyncDispose]();
  }
}
