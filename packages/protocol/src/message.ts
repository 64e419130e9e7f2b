import { randomUUID } from "node:crypto";

/**
 * What cloud and edge tell each other: KubeEdge's "beehive" message, in the JSON shape that a WebSocket peer sees.
 *
 * @see `cloud-edge-protocol` §4.1. Member names are the wire's own, `route` and `msg_id` included.
 */
export interface Message {
  readonly header: MessageHeader;
  readonly route: MessageRoute;
  readonly content: unknown;
}

export interface MessageHeader {
  /** UUID v4; a retransmission keeps it. */
  readonly msg_id: string;
  /** The id of the request being answered, on responses, acknowledgements and errors. */
  readonly parent_msg_id?: string | undefined;
  /** Unix ms; informational. */
  readonly timestamp: number;
  /** Cloud → edge: the version of the object in `content`. */
  readonly resourceversion?: string | undefined;
  readonly sync?: boolean | undefined;
  readonly type?: string | undefined;
  /** Edge → cloud, only between our own ends: its number in the stream of the node's outbox. */
  readonly seq?: number | undefined;
}

export interface MessageRoute {
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly group?: string | undefined;
  readonly operation?: string | undefined;
  readonly resource?: string | undefined;
}

export interface NewMessage {
  readonly source: string;
  readonly group: string;
  readonly operation: string;
  readonly resource: string;
  readonly content: unknown;
  readonly parentId?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** A message with a fresh id. */
export function newMessage(facts: NewMessage, now: number = Date.now()): Message {
  const { source, group, operation, resource, content, parentId, resourceVersion } = facts;
  return {
    header: {
      msg_id: randomUUID(),
      ...(parentId !== undefined && { parent_msg_id: parentId }),
      timestamp: now,
      ...(resourceVersion !== undefined && { resourceversion: resourceVersion }),
    },
    route: { source, group, operation, resource },
    content,
  };
}
