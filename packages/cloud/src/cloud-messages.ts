import type { Message } from "@kedge/protocol";

/** All that one cloud component may ask of another. A type alias: only these are index-compatible with the bus' `Topics`. */
export type CloudMessages = {
  /**
   * Queues a message for a node. `route.resource` has the internal form `node/<node>/…`; CloudHub removes that prefix on
   * the wire, decides whether it must be acknowledged, and keeps only the newest of an object.
   */
  "hub/send": { request: Message; reply: void };
  /** From the edge to EdgeController; `route.resource` as the edge sent it, without prefix. */
  "edge/upstream": { request: { node: string; message: Message }; reply: void };
  /** From the edge to DeviceController: source `twin`. */
  "device/upstream": { request: { node: string; message: Message }; reply: void };
  /** A node of our own compares what it holds with what we believe. */
  "sync/digest": { request: { node: string; message: Message }; reply: void };
};

export type CloudNotices = {
  "hub/session": { node: string; connected: boolean };
};
