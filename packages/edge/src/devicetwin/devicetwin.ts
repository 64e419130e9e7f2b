import type { DatabaseSync } from "node:sqlite";
import type { Device } from "@kedge/api";
import type { Message } from "@kedge/protocol";
import { type Clock, Component, type Logger, systemClock, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import { CloudReports } from "./cloud-reports.ts";
import { DeviceObjectRepository } from "./device-object-repository.ts";
import { DeviceObjects } from "./device-objects.ts";
import { DeviceRepository } from "./device-repository.ts";
import { DeviceStates } from "./device-states.ts";
import { migrateDeviceTables } from "./device-tables.ts";
import { Memberships } from "./memberships.ts";
import { PendingRepository } from "./pending-repository.ts";
import { parseTwinTopic } from "./twin-topics.ts";
import { TwinPublisher } from "./twin-publisher.ts";
import { TwinRepository } from "./twin-repository.ts";
import { TwinRequests } from "./twin-requests.ts";

/** A request on MQTT larger than this is refused unread. */
export const TWIN_PAYLOAD_BYTES_MAX = 1024 * 1024;

export interface DeviceTwinConfig {
  readonly nodeName: string;
}

export interface DeviceTwinDeps {
  readonly logger: Logger;
  readonly bus: EdgeBus;
  readonly db: DatabaseSync;
  /** The one writer of `db`. */
  readonly commits: GroupCommit;
  readonly clock?: Clock;
}

/** Mirrors devices: what they are, what they should be; between MQTT clients, mappers and the cloud. */
export class DeviceTwin extends Component {
  readonly #deps: DeviceTwinDeps;
  readonly #reports: CloudReports;
  readonly #twinRequests: TwinRequests;
  readonly #memberships: Memberships;
  readonly #states: DeviceStates;
  readonly #objects: DeviceObjects;
  readonly #handles = new DisposableStack();
  #resending: Promise<void> = Promise.resolve();

  private constructor({ nodeName: node }: DeviceTwinConfig, deps: DeviceTwinDeps) {
    super();
    this.#deps = deps;
    const { db, bus, commits, logger, clock = systemClock } = deps;
    migrateDeviceTables(db);
    const devices = new DeviceRepository(db);
    const twins = new TwinRepository(db);
    const pending = new PendingRepository(db);
    const objects = new DeviceObjectRepository(db);
    const publisher = new TwinPublisher(bus, node, clock, logger, this.signal);
    const reports = new CloudReports({ bus, commits, pending, twins, devices, node, clock, logger }, this.signal);
    const twinRequests = new TwinRequests({ commits, devices, twins, publisher, reports, clock });
    this.#reports = reports;
    this.#twinRequests = twinRequests;
    this.#memberships = new Memberships({ commits, devices, objects, twinRequests, publisher, clock });
    this.#states = new DeviceStates({ commits, devices, publisher, reports, clock });
    this.#objects = new DeviceObjects({ node, commits, devices, twins, objects, pending, publisher, clock, logger });
  }

  /** Listens first, then makes good what was missed while it was away. @throws if the stored devices cannot be read. */
  static async start(config: DeviceTwinConfig, deps: DeviceTwinDeps, signal: AbortSignal): Promise<DeviceTwin> {
    await using scope = new AsyncDisposableStack();
    const deviceTwin = scope.use(new DeviceTwin(config, deps));
    deviceTwin.#answer();
    deviceTwin.#resending = deviceTwin.#reports.run();
    if (deps.bus.answers("meta/list"))
      await deviceTwin.#objects.reconcile(
        (await deps.bus.request("meta/list", { type: "device" }, signal)) as Device[],
      );
    scope.move();
    return deviceTwin;
  }

  #answer(): void {
    const { bus } = this.#deps;
    const handles = this.#handles;
    handles.use(bus.handle("twin/mqtt", ({ topic, payload }) => this.#fromMqtt(topic, payload)));
    handles.use(bus.handle("twin/downstream", (message) => this.#fromCloud(message)));
    handles.use(
      bus.handle("twin/object", async ({ operation, object }) => {
        if (object.kind === "DeviceModel") return; // twins need nothing of it; mappers do
        const device = object as Device; // or, in a deletion, an object that names neither kind; its uid tells
        await (operation === "delete" ? this.#objects.remove(device) : this.#objects.apply(device));
      }),
    );
    handles.use(bus.listen("hub/connection", ({ connected }) => this.#reports.setConnected(connected)));
  }

  /** One bad payload costs its sender an answer, and nobody else anything. */
  async #fromMqtt(topic: string, payload: Buffer): Promise<void> {
    try {
      const parsed = parseTwinTopic(topic);
      if (parsed === undefined) return;
      if (payload.length > TWIN_PAYLOAD_BYTES_MAX)
        throw new RangeError(`the payload has ${payload.length} bytes, ${TWIN_PAYLOAD_BYTES_MAX} are allowed`);
      const text = payload.toString("utf8");
      switch (parsed.kind) {
        case "twin/update":
          return await this.#twinRequests.update(parsed.device, text);
        case "twin/get":
          return this.#twinRequests.get(parsed.device, text);
        case "twin/cloud_updated":
          return await this.#twinRequests.sync(parsed.device, text);
        case "state/update":
          return await this.#states.update(parsed.device, text);
        case "membership/get":
          return this.#memberships.get(text);
      }
    } catch (error) {
      this.#deps.logger.warn({ topic, error: toError(error) }, "device message dropped");
    }
  }

  async #fromCloud(message: Message): Promise<void> {
    const { parent_msg_id: parent } = message.header;
    const { resource = "", operation = "" } = message.route;
    try {
      if (parent !== undefined) return await this.#reports.confirm(parent);
      if (resource === "membership/detail") return await this.#memberships.replace(readContent(message));
      if (resource === "membership") return await this.#memberships.change(readContent(message));
      const [kind, namespace, name, ...rest] = resource.split("/");
      const action = rest.join("/");
      if (kind === "device" && action === "twin/cloud_updated")
        return await this.#twinRequests.sync(`${namespace}/${name}`, JSON.stringify(readContent(message)));
      if (kind === "device" && action === "" && operation.includes("updated"))
        return await this.#memberships.updateAttributes(`${namespace}/${name}`, readContent(message));
      this.#deps.logger.debug({ route: message.route }, "message for DeviceTwin has no meaning");
    } catch (error) {
      this.#deps.logger.warn({ route: message.route, error: toError(error) }, "device message of the cloud dropped");
    }
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    this.#reports.setConnected(false);
    await this.#resending;
  }
}

/** A Go peer may send JSON as text. */
function readContent({ content }: Message): unknown {
  return typeof content === "string" ? JSON.parse(content) : content;
}
