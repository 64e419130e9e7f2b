import { randomBytes } from "node:crypto";
import { Socket } from "node:net";
import { deferred, type Logger, toError } from "@kedge/runtime";
import type { IClientOptions, MqttClient } from "mqtt";
import type { BrokerUrl } from "./broker-url.ts";
import { acknowledgeLate } from "./late-acks.ts";
import type { MqttBroker, Receive } from "./mqtt-broker.ts";
import type { MqttTls } from "./mqtt-tls.ts";

/** Publications that wait while the broker is away or slow; beyond it the oldest go. */
export const PUBLICATIONS_WAITING_MAX = 1024;
/** Publications sent that the broker has not acknowledged. */
export const PUBLICATIONS_IN_FLIGHT_MAX = 64;
const RECONNECT_MS = 2000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_SECONDS = 60;

export interface ExternalBrokerConfig {
  readonly url: BrokerUrl;
  /** Empty: a random one, and the broker keeps nothing for us while we are away. */
  readonly subscriberId: string;
  readonly publisherId: string;
  readonly username: string;
  readonly password: string;
  readonly tls: MqttTls | undefined;
}

/**
 * A broker such as mosquitto, over two connections as in KubeEdge, so that its access rules can tell them apart. Connects
 * in the background, again and again; a slow broker holds up nobody.
 */
export class ExternalBroker implements MqttBroker {
  readonly ready: Promise<void>;
  readonly #subscriber: MqttClient;
  readonly #publisher: MqttClient;
  readonly #logger: Logger;
  readonly #filters: Set<string>;
  readonly #waiting: { topic: string; payload: string }[] = [];
  #inFlight = 0;
  #dropped = 0;

  private constructor(
    [subscriber, publisher]: readonly [MqttClient, MqttClient],
    filters: readonly string[],
    receive: Receive,
    logger: Logger,
  ) {
    this.#subscriber = subscriber;
    this.#publisher = publisher;
    this.#filters = new Set(filters);
    this.#logger = logger;
    const subscribed = deferred();
    const connected = deferred();
    this.ready = Promise.all([subscribed.promise, connected.promise]).then(() => undefined);
    acknowledgeLate(subscriber, receive);
    subscriber.on("connect", () => {
      this.#subscribeAll().then(subscribed.resolve, (error: unknown) => {
        logger.warn({ error: toError(error) }, "MQTT broker refused our subscriptions");
      });
    });
    publisher.on("connect", () => {
      connected.resolve();
      this.#pump();
    });
    reportLink(subscriber, "subscriber", logger);
    reportLink(publisher, "publisher", logger);
  }

  /** Loads the MQTT client: who does not need it does not pay for it. */
  static async create(
    config: ExternalBrokerConfig,
    filters: readonly string[],
    receive: Receive,
    logger: Logger,
  ): Promise<ExternalBroker> {
    const { writePacketsLean } = await import("./lean-packets.ts");
    writePacketsLean();
    const { connect } = await import("mqtt");
    const { subscriberId, publisherId } = config;
    const stamp = `${String(Date.now()).slice(0, 10)}-${randomBytes(2).toString("hex")}`;
    const clients = [
      // With a name of its own, the broker keeps for us what comes while we restart.
      connect({
        ...clientOptions(config),
        clientId: subscriberId || `hub-client-sub-${stamp}`,
        clean: subscriberId === "",
      }),
      connect({ ...clientOptions(config), clientId: publisherId || `hub-client-pub-${stamp}`, clean: true }),
    ] as const;
    return new ExternalBroker(clients, filters, receive, logger);
  }

  publish(topic: string, payload: string): void {
    if (this.#waiting.length >= PUBLICATIONS_WAITING_MAX) {
      this.#waiting.shift();
      this.#dropped += 1;
      if (Number.isInteger(Math.log10(this.#dropped)))
        this.#logger.warn({ dropped: this.#dropped }, "MQTT broker is away or slow: oldest publications dropped");
    }
    this.#waiting.push({ topic, payload });
    this.#pump();
  }

  async subscribe(filter: string): Promise<void> {
    this.#filters.add(filter);
    await this.#change(() => this.#subscriber.subscribeAsync(filter, { qos: 1 }));
  }

  async unsubscribe(filter: string): Promise<void> {
    this.#filters.delete(filter);
    await this.#change(() => this.#subscriber.unsubscribeAsync(filter));
  }

  #pump(): void {
    while (this.#publisher.connected && this.#inFlight < PUBLICATIONS_IN_FLIGHT_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inFlight += 1;
      // Unacknowledged ones are sent again by the client itself after it reconnects.
      this.#publisher.publish(next.topic, next.payload, { qos: 1, retain: false }, (error) => {
        this.#inFlight -= 1;
        if (error) this.#logger.warn({ topic: next.topic, error: toError(error) }, "publication failed");
        this.#pump();
      });
    }
  }

  async #subscribeAll(): Promise<void> {
    const grants = await this.#subscriber.subscribeAsync([...this.#filters], { qos: 1 });
    for (const { topic, qos } of grants)
      if (qos > 2) this.#logger.warn({ topic }, "MQTT broker does not let us subscribe to this topic");
  }

  async #change(change: () => Promise<unknown>): Promise<void> {
    if (!this.#subscriber.connected) return;
    try {
      await change();
    } catch (error) {
      this.#logger.warn({ error: toError(error) }, "MQTT subscription not changed; it will be on reconnecting");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#subscriber.endAsync(true), this.#publisher.endAsync(true)]);
  }
}

function clientOptions({ url, username, password, tls }: ExternalBrokerConfig): IClientOptions {
  // Whoever asks for TLS gets it, also where the URL says tcp.
  const secured = { mqtt: "mqtts", mqtts: "mqtts", ws: "wss", wss: "wss" } as const;
  return {
    protocol: tls === undefined ? url.protocol : secured[url.protocol],
    host: url.host,
    port: url.port,
    path: url.path,
    reconnectPeriod: RECONNECT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepalive: KEEPALIVE_SECONDS,
    resubscribe: false,
    queueQoSZero: false,
    ...(username !== "" && { username, ...(password !== "" && { password }) }),
    ...(tls !== undefined && { ca: [tls.ca], cert: tls.cert, key: tls.key }),
    rejectUnauthorized: true,
  };
}

/** Says when a connection is lost and when it is back, not how often it was tried. */
function reportLink(client: MqttClient, role: string, logger: Logger): void {
  let said = false;
  client.on("error", (error) => {
    logger[said ? "debug" : "warn"]({ role, error: toError(error) }, "MQTT broker not reachable, trying on");
    said = true;
  });
  client.on("close", () => {
    if (!said && !client.disconnecting) logger.warn({ role }, "MQTT connection lost, connecting again");
    said = true;
  });
  client.on("connect", () => {
    // Small packets must not wait for the broker's acknowledgement of those before.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    logger.info({ role }, "MQTT broker connected");
    said = false;
  });
}
