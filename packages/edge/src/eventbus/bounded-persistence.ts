import type { Logger } from "@kedge/runtime";

/** Sessions that outlive their connection. */
export const SESSIONS_MAX = 1024;
export const RETAINED_MESSAGES_MAX = 4096;

/** What we use of the internal broker's store, which by itself knows no bounds. */
export interface BrokerPersistence {
  storeRetained(packet: { topic: string; payload: Uint8Array }): Promise<void>;
  addSubscriptions(client: { id: string }, subscriptions: unknown): Promise<void>;
  cleanSubscriptions(client: { id: string }): Promise<void>;
  outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: unknown): Promise<void>;
  outgoingClearMessageId(client: { id: string }, packet: unknown): Promise<unknown>;
}

/**
 * Gives the store bounds: how many sessions, how much each keeps, how many retained messages. A session whose queue is full
 * misses what comes then; others do not notice.
 */
export function boundPersistence(persistence: BrokerPersistence, sessionQueueMax: number, logger: Logger): void {
  const sessions = new Set<string>();
  const queued = new Map<string, number>();
  const retained = new Set<string>();
  const store = bindAll(persistence);

  persistence.storeRetained = async (packet) => {
    if (packet.payload.length === 0) retained.delete(packet.topic);
    else if (retained.has(packet.topic) || retained.size < RETAINED_MESSAGES_MAX) retained.add(packet.topic);
    else {
      logger.warn(
        { topic: packet.topic, retainedMax: RETAINED_MESSAGES_MAX },
        "message not retained: there are too many",
      );
      return;
    }
    await store.storeRetained(packet);
  };
  persistence.addSubscriptions = async (client, subscriptions) => {
    if (!sessions.has(client.id) && sessions.size >= SESSIONS_MAX)
      throw new RangeError(`there are ${SESSIONS_MAX} sessions already: connect with a clean session`);
    sessions.add(client.id);
    await store.addSubscriptions(client, subscriptions);
  };
  persistence.cleanSubscriptions = async (client) => {
    sessions.delete(client.id);
    await store.cleanSubscriptions(client);
  };
  persistence.outgoingEnqueueCombi = async (subscriptions, packet) => {
    const room = subscriptions.filter(({ clientId }) => (queued.get(clientId) ?? 0) < sessionQueueMax);
    for (const { clientId } of room) queued.set(clientId, (queued.get(clientId) ?? 0) + 1);
    await store.outgoingEnqueueCombi(room, packet);
  };
  persistence.outgoingClearMessageId = async (client, packet) => {
    const cleared = await store.outgoingClearMessageId(client, packet);
    if (cleared !== undefined) {
      const left = (queued.get(client.id) ?? 1) - 1;
      if (left > 0) queued.set(client.id, left);
      else queued.delete(client.id);
    }
    return cleared;
  };
}

function bindAll(persistence: BrokerPersistence): BrokerPersistence {
  return {
    storeRetained: persistence.storeRetained.bind(persistence),
    addSubscriptions: persistence.addSubscriptions.bind(persistence),
    cleanSubscriptions: persistence.cleanSubscriptions.bind(persistence),
    outgoingEnqueueCombi: persistence.outgoingEnqueueCombi.bind(persistence),
    outgoingClearMessageId: persistence.outgoingClearMessageId.bind(persistence),
  };
}
