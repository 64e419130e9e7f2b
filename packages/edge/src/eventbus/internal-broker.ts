import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { abortable, type Logger, toError } from "@kedge/runtime";
import type { Aedes } from "aedes";
import { boundPersistence, type BrokerPersistence } from "./bounded-persistence.ts";
import type { BrokerUrl } from "./broker-url.ts";
import { EventBusError } from "./eventbus-error.ts";
import type { MqttBroker, Receive } from "./mqtt-broker.ts";
import { limitPackets } from "./packet-limit.ts";
import { matchesFilter } from "./topic-filter.ts";

export const MQTT_PACKET_BYTES_MAX = 1024 * 1024;
export const MQTT_CONNECTIONS_MAX = 1024;
const LOOPBACK = new Set(["127.0.0.1", "localhost", "::1"]);

export interface InternalBrokerConfig {
  readonly url: BrokerUrl;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Messages kept for a session that is away or slow. */
  readonly sessionQueueMax: number;
}

/** A broker within this process, for nodes without mosquitto. It knows no users: keep it on loopback. */
export class InternalBroker implements MqttBroker {
  readonly ready = Promise.resolve();
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #config: InternalBrokerConfig;
  readonly #filters: Set<string>;
  readonly #logger: Logger;

  private constructor(
    aedes: Aedes,
    server: Server,
    config: InternalBrokerConfig,
    filters: readonly string[],
    logger: Logger,
  ) {
    this.#aedes = aedes;
    this.#server = server;
    this.#config = config;
    this.#filters = new Set(filters);
    this.#logger = logger;
  }

  /** Loads the broker: who does not need it does not pay for it. @throws {EventBusError} `CannotListen` */
  static async start(
    config: InternalBrokerConfig,
    filters: readonly string[],
    receive: Receive,
    logger: Logger,
    signal: AbortSignal,
  ): Promise<InternalBroker> {
    await using scope = new AsyncDisposableStack();
    const { writePacketsLean } = await import("./lean-packets.ts");
    writePacketsLean();
    const { Aedes: Broker } = await import("aedes");
    const aedes = new Broker({ queueLimit: config.sessionQueueMax, maxClientsIdLength: 256 });
    scope.defer(() => closeBroker(aedes));
    await aedes.listen();
    boundPersistence(
      (aedes as unknown as { persistence: BrokerPersistence }).persistence,
      config.sessionQueueMax,
      logger,
    );

    const server = createServer((socket) => {
      limitPackets(socket, MQTT_PACKET_BYTES_MAX);
      socket.setNoDelay(true);
      aedes.handle(socket);
    });
    server.maxConnections = MQTT_CONNECTIONS_MAX;
    scope.defer(() => void server.close());
    await listen(server, config.url, signal);
    if (!LOOPBACK.has(config.url.host))
      logger.warn({ host: config.url.host }, "the internal MQTT broker knows no users and listens beyond this machine");

    const broker = new InternalBroker(aedes, server, config, filters, logger);
    broker.#serve(receive);
    scope.move();
    return broker;
  }

  /** The port in use: that of the URL, or for 0 whichever was free. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  publish(topic: string, payload: string): void {
    const { qos, retain } = this.#config;
    this.#aedes.publish({ cmd: "publish", topic, payload, qos, retain, dup: false }, (error) => {
      if (error) this.#logger.warn({ topic, error: toError(error) }, "publication failed");
    });
  }

  subscribe(filter: string): Promise<void> {
    this.#filters.add(filter);
    return Promise.resolve();
  }

  unsubscribe(filter: string): Promise<void> {
    this.#filters.delete(filter);
    return Promise.resolve();
  }

  #serve(receive: Receive): void {
    // Called before the client hears that its publication is accepted: a report is acknowledged once it is stored.
    this.#aedes.authorizePublish = (client, { topic, payload }, accept) => {
      if (topic.startsWith("$SYS/")) {
        accept(new Error("$SYS/ is the broker's own"));
        return;
      }
      if (client === null || ![...this.#filters].some((filter) => matchesFilter(filter, topic))) {
        accept(null);
        return;
      }
      const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
      receive(topic, bytes).then(
        () => accept(null),
        () => accept(null), // what we cannot use others may: it is carried on
      );
    };
    this.#aedes.on("clientError", (client, error) =>
      this.#logger.debug({ client: client.id, error }, "MQTT client failed"),
    );
    this.#aedes.on("connectionError", (_, error) => this.#logger.debug({ error }, "MQTT connection failed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await closeBroker(this.#aedes); // ends the connections, for which the server waits
    await closed;
  }
}

function closeBroker(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(() => resolve()));
}

async function listen(server: Server, { host, port, protocol }: BrokerUrl, signal: AbortSignal): Promise<void> {
  const url = `tcp://${host}:${port}`;
  const fail = (why: string, cause?: unknown) =>
    new EventBusError(
      `the internal MQTT broker cannot listen on ${url}: ${why} (modules.eventBus.mqttServerInternal)`,
      { code: "CannotListen", url },
      { cause },
    );
  if (protocol !== "mqtt") throw fail(`scheme ${protocol} is not supported yet, use tcp`);
  server.listen(port, host);
  try {
    await abortable(once(server, "listening"), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw fail(toError(error).message, error);
  }
}
