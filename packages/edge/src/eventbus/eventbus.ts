import type { DatabaseSync } from "node:sqlite";
import type { EdgeCoreConfig } from "@kedge/api";
import { type Message, mqttUpload } from "@kedge/protocol";
import { Component, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import { parseBrokerUrl } from "./broker-url.ts";
import { BUILTIN_FILTERS, dispatchTopic } from "./dispatch-topic.ts";
import { EventBusError } from "./eventbus-error.ts";
import { ExternalBroker } from "./external-broker.ts";
import { InternalBroker } from "./internal-broker.ts";
import type { MqttBroker } from "./mqtt-broker.ts";
import { readMqttTls } from "./mqtt-tls.ts";
import { SubTopicsRepository } from "./sub-topics-repository.ts";
import { isTopic, isTopicFilter } from "./topic-filter.ts";

/** Topics of rules on one node. */
export const SUB_TOPICS_MAX = 1024;
/** Uploads that wait for the cloud; beyond it, new ones are dropped. */
export const UPLOADS_WAITING_MAX = 256;

/** `modules.eventBus` of edgecore.yaml. */
export type EventBusConfig = EdgeCoreConfig["modules"]["eventBus"];

export interface EventBusDeps {
  readonly logger: Logger;
  readonly bus: EdgeBus;
  readonly db: DatabaseSync;
  /** The one writer of `db`. */
  readonly commits: GroupCommit;
}

const Mode = { internal: 0, both: 1, external: 2 } as const;

/** Carries MQTT messages between the node's clients, DeviceTwin, and the cloud. */
export class EventBus extends Component {
  readonly #deps: EventBusDeps;
  readonly #topics: SubTopicsRepository;
  readonly #scope = new AsyncDisposableStack();
  #brokers: readonly MqttBroker[] = [];
  #internal: InternalBroker | undefined;
  #uploads = 0;

  private constructor(deps: EventBusDeps) {
    super();
    this.#deps = deps;
    this.#topics = new SubTopicsRepository(deps.db);
  }

  /**
   * Starts without an external broker, too: it connects when that is there. @throws {EventBusError} for a wrong URL, TLS
   * files that cannot be read, or a taken port.
   */
  static async start(config: EventBusConfig, deps: EventBusDeps, signal: AbortSignal): Promise<EventBus> {
    await using scope = new AsyncDisposableStack();
    const eventBus = scope.use(new EventBus(deps));
    await eventBus.#connect(config, signal);
    eventBus.#answer();
    scope.move();
    return eventBus;
  }

  /** Resolves when subscriptions are in force at all brokers for the first time. */
  get ready(): Promise<void> {
    return Promise.all(this.#brokers.map((broker) => broker.ready)).then(() => undefined);
  }

  /** Port of the internal broker, if there is one. */
  get internalPort(): number | undefined {
    return this.#internal?.port;
  }

  async #connect(config: EventBusConfig, signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    const filters = [...BUILTIN_FILTERS, ...this.#topics.list()];
    const receive = (topic: string, payload: Buffer) => this.#receive(topic, payload);
    const brokers: MqttBroker[] = [];
    this.#brokers = brokers;
    if (config.mqttMode !== Mode.external) {
      const url = parseBrokerUrl("mqttServerInternal", config.mqttServerInternal);
      const { mqttQOS: qos, mqttRetain: retain, mqttSessionQueueSize: sessionQueueMax } = config;
      const internal = { url, qos, retain, sessionQueueMax };
      this.#internal = this.#scope.use(await InternalBroker.start(internal, filters, receive, logger, signal));
      brokers.push(this.#internal);
    }
    if (config.mqttMode !== Mode.internal) {
      const external = {
        url: parseBrokerUrl("mqttServerExternal", config.mqttServerExternal),
        tls: readMqttTls(config.eventBusTLS),
        subscriberId: config.mqttSubClientID,
        publisherId: config.mqttPubClientID,
        username: config.mqttUsername,
        password: config.mqttPassword,
      };
      brokers.push(this.#scope.use(await ExternalBroker.create(external, filters, receive, logger)));
    }
  }

  #answer(): void {
    const { bus } = this.#deps;
    this.#scope.use(bus.handle("bus/publish", ({ topic, payload }) => this.#publish(topic, payload)));
    this.#scope.use(bus.handle("bus/downstream", (message) => this.#fromCloud(message)));
  }

  #publish(topic: string, payload: string): void {
    if (!isTopic(topic)) throw badTopic(topic);
    for (const broker of this.#brokers) broker.publish(topic, payload);
  }

  /** One bad message must not cost us the others. */
  async #receive(topic: string, payload: Buffer): Promise<void> {
    const { bus, logger } = this.#deps;
    try {
      if (dispatchTopic(topic) === "hub") this.#upload(topic, payload);
      else if (bus.answers("twin/mqtt")) await bus.request("twin/mqtt", { topic, payload }, this.signal);
    } catch (error) {
      if (!this.signal.aborted) logger.warn({ topic, error: toError(error) }, "MQTT message dropped");
    }
  }

  /** Not waited for: while the cloud is away, devices go on. */
  #upload(topic: string, payload: Buffer): void {
    const { bus, logger } = this.#deps;
    if (!bus.answers("hub/send")) return;
    if (this.#uploads >= UPLOADS_WAITING_MAX) {
      logger.warn({ topic, waitingMax: UPLOADS_WAITING_MAX }, "MQTT message for the cloud dropped: too many wait");
      return;
    }
    this.#uploads += 1;
    bus
      .request("hub/send", mqttUpload(topic, payload.toString("utf8")), this.signal)
      .catch((error: unknown) => {
        if (!this.signal.aborted) logger.warn({ topic, error: toError(error) }, "MQTT message for the cloud dropped");
      })
      .finally(() => {
        this.#uploads -= 1;
      });
  }

  /** Group `user`: the rules of the cloud's Router. */
  async #fromCloud({ route, content }: Message): Promise<void> {
    const { commits, logger } = this.#deps;
    const { operation, resource = "" } = route;
    switch (operation) {
      case "publish":
        this.#publish(resource, typeof content === "string" ? content : JSON.stringify(content));
        return;
      case "subscribe":
        if (!isTopicFilter(resource)) throw badTopic(resource);
        await commits.write(() => {
          const topics = this.#topics.list();
          if (!topics.includes(resource) && topics.length >= SUB_TOPICS_MAX) throw tooManyTopics();
          this.#topics.add(resource);
        });
        await Promise.all(this.#brokers.map((broker) => broker.subscribe(resource)));
        return;
      case "unsubscribe":
        await commits.write(() => this.#topics.remove(resource));
        if (BUILTIN_FILTERS.includes(resource)) return;
        await Promise.all(this.#brokers.map((broker) => broker.unsubscribe(resource)));
        return;
      default:
        logger.debug({ route }, "message for EventBus has no meaning");
    }
  }

  protected override async stop(): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

function badTopic(topic: string): EventBusError {
  return new EventBusError(`${JSON.stringify(topic.slice(0, 256))} is no MQTT topic`, { code: "BadTopic", topic });
}

function tooManyTopics(): EventBusError {
  return new EventBusError(`this node listens to ${SUB_TOPICS_MAX} topics of rules already`, {
    code: "TooManyTopics",
    topicsMax: SUB_TOPICS_MAX,
  });
}
