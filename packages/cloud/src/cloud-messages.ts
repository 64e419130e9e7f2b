import type { Message } from "@kedge/protocol";

/** All that one cloud component may ask of another. A type alias: only these are index-compatible with the bus' `Topics`. */
export type CloudMessages = {
  /**
   * Queues a message for a node. `route.resource` has the internal form `node/<node>/…`; CloudHub removes that prefix on
   * the wire, decides whether it must be acknowledged, and keeps only the newest of an object.
   */
  "hub/send": { request: Message; reply: void };
  /** From the edge to EdgeController; `route.resource` as the edge sent it, without prefix. */
  "edge/upstream": { request: UpstreamMessage; reply: void };
  /** From the edge to DeviceController: source `twin`. */
  "device/upstream": { request: UpstreamMessage; reply: void };
  /** Renews a node's lease. @throws what the API server says; `NotFound`: the node must create it. */
  "edge/renewLease": { request: { node: string }; reply: void };
  /** A node answers a call of the CSI driver; who asked is told. */
  "volume/answer": { request: { node: string; message: Message }; reply: void };
  /** A node of our own compares what it holds with what we believe. */
  "sync/digest": { request: UpstreamMessage; reply: void };
};

/**
 * What a node says. Whoever answers resolves when it is done: the API server has it, or has refused it for good. The signal
 * aborts when the node's session is void.
 */
export interface UpstreamMessage {
  readonly node: string;
  readonly message: Message;
  /**
   * Only of an edge of ours that has numbered the message: it waits until it is done, so an answerer that rejects with what
   * may heal is asked again. Otherwise nobody repeats anything.
   */
  readonly numbered?:
    | {
        /** Names the node's outbox; another one has numbered anew. */
        readonly stream: string;
        /** Another session, also at another cloudcore, may have done it before. */
        readonly repeated: boolean;
      }
    | undefined;
}

export type CloudNotices = {
  "hub/session": { node: string; connected: boolean };
  /** An administrator keeps this node out from now on. */
  "hub/lockedOut": { node: string };
  /** Our servers show another certificate from now on. */
  "hub/identity": Record<never, never>;
};
