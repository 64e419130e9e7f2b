import type { MqttClient, Packet } from "mqtt";
import type { Receive } from "./mqtt-broker.ts";

/** Messages of the broker that are worked on at once; beyond it we read no more from it. */
export const RECEIVING_MAX = 64;

/** The part of the client that its types do not show; the version is pinned and a test holds us to it. */
interface PacketSender {
  _sendPacket(packet: Packet, callback?: (error?: Error) => void, ...more: unknown[]): unknown;
}

/**
 * Makes a client acknowledge each message only once it has been dealt with, and yet take the next ones meanwhile: so they
 * share one write to the disk. By itself the client waits with the next message until it has acknowledged the one before.
 */
export function acknowledgeLate(client: MqttClient, receive: Receive): void {
  const sender = client as unknown as PacketSender;
  const send = sender._sendPacket.bind(client);
  /** Of this connection: message id → its work. */
  let working = new Map<number, Promise<void>>();
  let receiving = 0;
  const held: (() => void)[] = [];

  client.on("close", () => {
    working = new Map(); // the broker sends anew what it has no acknowledgement for
  });
  client.handleMessage = (packet, done) => {
    const { topic, payload, qos, messageId } = packet;
    receiving += 1;
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    // What we cannot use is acknowledged all the same: it would only come again.
    const work = receive(topic, bytes)
      .catch(() => undefined)
      .finally(() => {
        receiving -= 1;
        held.shift()?.();
      });
    if (qos > 0 && messageId !== undefined) working.set(messageId, work);
    if (receiving < RECEIVING_MAX) done();
    else held.push(() => done());
  };
  sender._sendPacket = (packet, callback, ...more) => {
    const work = packet.cmd === "puback" ? working.get(packet.messageId ?? -1) : undefined;
    if (packet.cmd !== "puback" || work === undefined) return send(packet, callback, ...more);
    const connection = working;
    void work.then(() => {
      if (connection !== working || packet.messageId === undefined) return; // that connection is gone
      connection.delete(packet.messageId);
      send(packet);
    });
    callback?.();
    return client;
  };
}
