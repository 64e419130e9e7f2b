import { randomUUID } from "node:crypto";
import { Group, membershipDetail, type Message, newMessage, Operation, Source, twinReport } from "@kedge/protocol";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import type { DeviceRepository, StoredDevice } from "./device-repository.ts";
import { type PendingRepository, STATE_PROPERTY } from "./pending-repository.ts";
import { isTombstone, SIDES, viewForCloud, viewRemoval } from "./stored-twin.ts";
import type { MsgTwin } from "./twin-payloads.ts";
import type { TwinRepository } from "./twin-repository.ts";

/** Messages whose confirmation we can recognise; an older one's report is simply sent again later. */
export const UNCONFIRMED_MESSAGES_MAX = 4096;
const RESEND_CHECK_MS = 10_000;
const RESEND_MS_MIN = 30_000;
const RESEND_MS_MAX = 10 * 60_000;

/** What one message reports, and which of the notes it settles. */
export interface ReportNote {
  readonly device: string;
  readonly properties: readonly string[];
  readonly seq: number;
}

export interface CloudReportsDeps {
  readonly bus: EdgeBus;
  readonly commits: GroupCommit;
  readonly pending: PendingRepository;
  readonly twins: TwinRepository;
  readonly devices: DeviceRepository;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Brings what changed here to the cloud: noted in the database with the change itself, sent at once while connected, and
 * sent again, with the values of that time, until the cloud confirms it. So nothing is lost while the cloud is away, and
 * what is kept is bounded by the twins.
 */
export class CloudReports {
  readonly #deps: CloudReportsDeps;
  readonly #signal: AbortSignal;
  readonly #sent = new Map<string, ReportNote>();
  /** Devices with something unconfirmed: when it was sent last, and how often since the last confirmation. */
  readonly #waiting = new Map<string, { sentAt: number; tries: number }>();
  #connection: AbortController | undefined;

  constructor(deps: CloudReportsDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Runs until the signal aborts: sends again what was not confirmed in time. */
  async run(): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!this.#signal.aborted) {
      try {
        await clock.sleep(RESEND_CHECK_MS, this.#signal);
        await this.#resendDue();
      } catch (error) {
        if (this.#signal.aborted) return;
        logger.warn({ error: toError(error) }, "device reports not sent again");
      }
    }
  }

  /** Within the transaction that makes the change. */
  note(device: string, properties: readonly string[]): ReportNote {
    return { device, properties, seq: this.#deps.pending.add(device, properties) };
  }

  /** After that transaction: tells the cloud, if it is there. */
  sendTwins(note: ReportNote, twin: Readonly<Record<string, MsgTwin>>): void {
    void this.#dispatch(note, this.#twinMessage(note.device, twin));
  }

  /** As {@link sendTwins}, for the device's state. */
  sendState(note: ReportNote, content: object): void {
    void this.#dispatch(note, this.#stateMessage(note.device, content));
  }

  /** What the edge has, for a cloud that is behind; not kept. */
  sendCorrection(device: string, twin: Readonly<Record<string, MsgTwin>>): void {
    if (this.#connection !== undefined) void this.#send(this.#twinMessage(device, twin));
  }

  setConnected(connected: boolean): void {
    if (connected === (this.#connection !== undefined)) return;
    this.#connection?.abort();
    this.#connection = undefined;
    if (!connected) return;
    this.#sent.clear(); // answers come on the connection of their question
    const connection = new AbortController();
    this.#connection = connection;
    void this.#send(membershipDetail(this.#detailRequest()));
    this.#resendAll(connection.signal).catch((error: unknown) => {
      if (!connection.signal.aborted && !this.#signal.aborted)
        this.#deps.logger.warn({ error: toError(error) }, "device reports not sent after connecting");
    });
  }

  /** The cloud answered one of our messages; any answer says that it has it. */
  async confirm(messageId: string): Promise<void> {
    const note = this.#sent.get(messageId);
    if (note === undefined) return;
    this.#sent.delete(messageId);
    const { commits, pending } = this.#deps;
    const done = await commits.write(() => {
      pending.confirm(note.device, note.properties, note.seq);
      return pending.list(note.device).length === 0;
    });
    if (done) this.#waiting.delete(note.device);
  }

  async #resendAll(connection: AbortSignal): Promise<void> {
    for (const device of this.#deps.pending.devices()) {
      if (connection.aborted) return;
      await this.#resend(device);
    }
  }

  async #resendDue(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    for (const [device, { sentAt, tries }] of this.#waiting) {
      if (this.#connection === undefined) return;
      if (now - sentAt < Math.min(RESEND_MS_MAX, RESEND_MS_MIN * 2 ** (tries - 1))) continue;
      await this.#resend(device);
    }
  }

  /** One message with all that is pending of a device's twins, and one with its state. */
  async #resend(device: string): Promise<void> {
    const { pending, twins, devices, commits } = this.#deps;
    const rows = pending.list(device);
    const twin: Record<string, MsgTwin> = {};
    const gone: string[] = [];
    let seq = 0;
    for (const row of rows) {
      seq = Math.max(seq, row.seq);
      if (row.property === STATE_PROPERTY) continue;
      const stored = twins.get(device, row.property);
      if (stored === undefined) gone.push(row.property);
      else twin[row.property] = isTombstone(stored) ? viewRemoval(stored) : viewForCloud(stored, SIDES);
    }
    if (gone.length > 0) await commits.write(() => gone.forEach((property) => pending.drop(device, property)));
    const properties = Object.keys(twin);
    if (properties.length > 0) await this.#dispatch({ device, properties, seq }, this.#twinMessage(device, twin));
    const state = devices.get(device);
    if (state !== undefined && rows.some(({ property }) => property === STATE_PROPERTY))
      await this.#dispatch(
        { device, properties: [STATE_PROPERTY], seq },
        this.#stateMessage(device, statePayload(state, this.#deps.clock.now())),
      );
    if (rows.length === gone.length) this.#waiting.delete(device);
  }

  async #dispatch(note: ReportNote, message: Message): Promise<void> {
    if (this.#connection === undefined) return;
    if (this.#sent.size >= UNCONFIRMED_MESSAGES_MAX) {
      const [oldest] = this.#sent.keys();
      if (oldest !== undefined) this.#sent.delete(oldest);
    }
    this.#sent.set(message.header.msg_id, note);
    const { tries = 0 } = this.#waiting.get(note.device) ?? {};
    this.#waiting.set(note.device, { sentAt: this.#deps.clock.monotonic(), tries: tries + 1 });
    await this.#send(message);
  }

  async #send(message: Message): Promise<void> {
    const { bus, logger } = this.#deps;
    try {
      await bus.request("hub/send", message, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      const { resource } = message.route;
      logger.warn({ resource, error: toError(error) }, "device report not sent; it stays noted");
    }
  }

  #twinMessage(device: string, twin: Readonly<Record<string, MsgTwin>>): Message {
    const content = { event_id: randomUUID(), timestamp: this.#deps.clock.now(), twin };
    return twinReport(splitDeviceId(device), content);
  }

  /** The content is text, as the reference sends it. */
  #stateMessage(device: string, content: object): Message {
    return newMessage({
      source: Source.twin,
      group: Group.resource,
      operation: Operation.update,
      resource: `device/${device}/state/update`,
      content: JSON.stringify(content),
    });
  }

  #detailRequest(): string {
    return JSON.stringify({
      event_type: "group_membership_event",
      event_id: randomUUID(),
      group_id: this.#deps.node,
      operation: "detail",
      timestamp: this.#deps.clock.now(),
    });
  }
}

/** What is told of a device's state, on MQTT and to the cloud. */
export function statePayload(device: StoredDevice, now: number): object {
  return {
    event_id: randomUUID(),
    timestamp: now,
    device: {
      name: device.name,
      ...(device.state !== "" && { state: device.state }),
      ...(device.lastOnline !== "" && { lastOnlineTime: device.lastOnline }),
    },
  };
}

function splitDeviceId(device: string): { namespace: string; name: string } {
  const slash = device.indexOf("/");
  return { namespace: device.slice(0, slash), name: device.slice(slash + 1) };
}
