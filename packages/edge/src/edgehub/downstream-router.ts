import { Group, type Message, newMessage, Operation, requiresAck, Source } from "@kedge/protocol";
import { type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";

/** Messages of the cloud in work at once, of different objects; when they are this many the link is not read. */
export const DOWNSTREAM_WORKING_MAX = 64;
/** Operations that a WebSocket peer answers by itself. @see `cloud-edge-protocol` §3.4 */
const CONTROL = new Set(["config", "ping", "pong"]);

export interface DownstreamDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  /** Hands an answer to whoever asked. @returns false if nobody waits for it any more. */
  readonly resolve: (reply: Message) => boolean;
  /** Sends an ack or an error, if the link is still there. */
  readonly reply: (message: Message) => Promise<void>;
}

/** Brings each message of the cloud to its component: of one object in order, of several at once. */
export class DownstreamRouter {
  readonly #deps: DownstreamDeps;
  readonly #signal: AbortSignal;
  readonly #tails = new Map<string, Promise<void>>();
  #working = 0;
  #roomMade: PromiseWithResolvers<void> | undefined;

  constructor(deps: DownstreamDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /**
   * Takes a message. What it returns resolves when the next one may come.
   *
   * @param isVoid asked when its turn comes: whether the message will come again, if it still counts.
   */
  async take(message: Message, isVoid: () => boolean = () => false): Promise<void> {
    const { parent_msg_id } = message.header;
    const group = message.route.group ?? "";
    const isReply = parent_msg_id !== undefined && group !== Group.twin;
    // Answers overtake: nobody else waits for them, and a waiting asker may hold up the very object's next message.
    if (isReply && this.#deps.resolve(message)) return;
    const key = `${group} ${message.route.resource}`;
    const work = (this.#tails.get(key) ?? Promise.resolve()).then(() =>
      requiresAck(message) && isVoid() ? undefined : this.#route(message, isReply),
    );
    this.#tails.set(key, work);
    this.#working += 1;
    void work.then(() => {
      this.#working -= 1;
      if (this.#tails.get(key) === work) this.#tails.delete(key);
      this.#roomMade?.resolve();
    });
    while (this.#working >= DOWNSTREAM_WORKING_MAX) {
      this.#roomMade = Promise.withResolvers();
      await this.#roomMade.promise;
    }
  }

  async #route(message: Message, isReply: boolean): Promise<void> {
    try {
      const reply = await this.#dispatch(message, isReply);
      if (reply !== undefined) await this.#deps.reply(reply);
    } catch (error) {
      if (!this.#signal.aborted)
        this.#deps.logger.error({ route: message.route, error: toError(error) }, "message from the cloud not handled");
    }
  }

  async #dispatch(message: Message, isReply: boolean): Promise<Message | undefined> {
    const { bus } = this.#deps;
    const { group, source, operation = "" } = message.route;
    if (CONTROL.has(operation)) return controlReply(message);
    switch (group) {
      case Group.resource:
      case Group.func:
        return bus.request("meta/downstream", message, this.#signal);
      case Group.twin:
        await this.#hand("twin/downstream", message);
        return undefined;
      case Group.user:
        if (isReply) return undefined; // its asker gave up
        if (source === Source.routerEventBus) await this.#hand("bus/downstream", message);
        else this.#drop(message, "is not supported yet: ServiceBus");
        return undefined;
      default:
        this.#drop(message, "has no receiver here");
        return undefined;
    }
  }

  async #hand(topic: "twin/downstream" | "bus/downstream", message: Message): Promise<void> {
    if (this.#deps.bus.answers(topic)) await this.#deps.bus.request(topic, message, this.#signal);
    else this.#drop(message, "is for a module that is not enabled");
  }

  #drop(message: Message, why: string): void {
    this.#deps.logger.warn({ route: message.route }, `a message from the cloud ${why}; dropped`);
  }
}

function controlReply({ header, route }: Message): Message {
  return newMessage({
    source: route.source ?? "",
    group: route.group ?? "",
    operation: Operation.response,
    resource: route.resource ?? "",
    content: "ack",
    parentId: header.msg_id,
  });
}
