import { EventEmitter, on } from "node:events";
import type { EdgeCoreConfig } from "@kedge/api";
import { loadEdgeCoreConfig } from "@kedge/api";
import type { Message } from "@kedge/protocol";
import { MessageBus, silentLogger } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import { DeviceTwin } from "../src/devicetwin/devicetwin.ts";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EventBus } from "../src/eventbus/eventbus.ts";

type YamlEventBus = Partial<EdgeCoreConfig["modules"]["eventBus"]>;

/** EventBus, and if wanted DeviceTwin, with a recording cloud. */
export class EventBusHarness implements AsyncDisposable {
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly #scope = new AsyncDisposableStack();
  readonly #db = this.#scope.adopt(openDatabase({ path: ":memory:" }), (db) => db.close());
  readonly #commits = this.#scope.use(new GroupCommit(this.#db));
  readonly #deps = { bus: this.bus, db: this.#db, commits: this.#commits, logger: silentLogger };
  readonly #events = new EventEmitter();
  readonly #sent = on(this.#events, "sent");

  constructor() {
    this.#scope.use(this.bus.handle("hub/send", (message) => void this.#events.emit("sent", message)));
  }

  async startEventBus(eventBus: YamlEventBus): Promise<EventBus> {
    const { config } = loadEdgeCoreConfig({ modules: { eventBus } }, { hostname: "edge-1", localIP: "127.0.0.1" });
    return this.#scope.use(await EventBus.start(config.modules.eventBus, this.#deps, AbortSignal.timeout(10_000)));
  }

  async startDeviceTwin(): Promise<DeviceTwin> {
    return this.#scope.use(await DeviceTwin.start({ nodeName: "edge-1" }, this.#deps, AbortSignal.timeout(10_000)));
  }

  subTopics(): string[] {
    return this.#db
      .prepare("SELECT topic FROM sub_topics")
      .all()
      .map((row) => String(row["topic"]));
  }

  /** The next message to the cloud. */
  async nextSent(): Promise<Message> {
    const { value } = await this.#sent.next();
    return (value as [Message])[0];
  }

  fromRouter(operation: string, resource: string, content: unknown = ""): Promise<void> {
    const route = { source: "router_eventbus", group: "user", operation, resource };
    const message = { header: { msg_id: "m", timestamp: 1 }, route, content };
    return this.bus.request("bus/downstream", message, AbortSignal.timeout(5_000));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.disposeAsync();
  }
}
