import type { Message } from "@kedge/protocol";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import type { DeviceRepository } from "./device-repository.ts";
import { type PendingRepository, STATE_PROPERTY } from "./pending-repository.ts";
import { membershipRequest, stateMessage, statePayload, twinMessage } from "./report-messages.ts";
import { isTombstone, SIDES, viewForCloud, viewRemoval } from "./stored-twin.ts";
import type { MsgTwin } from "./twin-payloads.ts";
import type { TwinRepository } from "./twin-repository.ts";

/**
 * Messages of one device that the cloud has not confirmed. A device that reports faster than the cloud confirms is held
 * back, and then tells its newest values in one message: old ones would only fill the way.
 */
export const UNCONFIRMED_PER_DEVICE_MAX = 8;
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

/** A device with something unconfirmed. */
interface Waiting {
  /** Of the messages under way. */
  readonly sent: Map<string, ReportNote>;
  sentAt: number;
  /** Times it was sent again since the last confirmation. */
  repeats: number;
  /** Notes up to this one were sent. */
  seq: number;
  /** There are notes after it. */
  held: boolean;
}

/**
 * Brings what changed here to the cloud: noted in the database with the change itself, sent at once while connected, and
 * sent again, with the values of that time, until the cloud confirms it. So nothing is lost while the cloud is away, and
 * what is kept is bounded by the twins.
 */
export class CloudReports {
  readonly #deps: CloudReportsDeps;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, Waiting>();
  /** Message → its device. */
  readonly #deviceOf = new Map<string, string>();
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
    if (this.#hasRoom(note)) void this.#dispatch(note, twinMessage(note.device, twin, this.#deps.clock.now()));
  }

  /** As {@link sendTwins}, for the device's state. */
  sendState(note: ReportNote, content: object): void {
    if (this.#hasRoom(note)) void this.#dispatch(note, stateMessage(note.device, content));
  }

  /** What the edge has, for a cloud that is behind; not kept. */
  sendCorrection(device: string, twin: Readonly<Record<string, MsgTwin>>): void {
    if (this.#connection !== undefined) void this.#give(twinMessage(device, twin, this.#deps.clock.now()));
  }

  setConnected(connected: boolean): void {
    if (connected === (this.#connection !== undefined)) return;
    this.#connection?.abort();
    this.#connection = undefined;
    if (!connected) return;
    this.#waiting.clear(); // answers come on the connection of their question
    this.#deviceOf.clear();
    const connection = new AbortController();
    this.#connection = connection;
    void this.#give(membershipRequest(this.#deps.node, this.#deps.clock.now()));
    this.#resendAll(connection.signal).catch((error: unknown) => {
      if (!connection.signal.aborted && !this.#signal.aborted)
        this.#deps.logger.warn({ error: toError(error) }, "device reports not sent after connecting");
    });
  }

  /** The cloud answered one of our messages; any answer says that it has it. */
  async confirm(messageId: string): Promise<void> {
    const device = this.#deviceOf.get(messageId);
    const waiting = this.#waiting.get(device ?? "");
    const note = waiting?.sent.get(messageId);
    if (device === undefined || waiting === undefined || note === undefined) return;
    this.#deviceOf.delete(messageId);
    waiting.sent.delete(messageId);
    waiting.repeats = 0;
    const { commits, pending } = this.#deps;
    const done = await commits.write(() => {
      pending.confirm(device, note.properties, note.seq);
      const left = new Set(pending.list(device).map(({ property }) => property));
      for (const property of note.properties) if (!left.has(property)) this.#purgeTombstone(device, property);
      return left.size === 0;
    });
    if (this.#waiting.get(device) !== waiting) return; // connected anew meanwhile
    if (done) this.#forget(device);
    else if (waiting.held) await this.#send(device, waiting.seq);
  }

  /** Once the cloud knows of a removal, nothing need remind of it. */
  #purgeTombstone(device: string, property: string): void {
    const { twins } = this.#deps;
    const twin = twins.get(device, property);
    if (twin !== undefined && isTombstone(twin)) twins.remove(device, property);
  }

  async #resendAll(connection: AbortSignal): Promise<void> {
    for (const device of this.#deps.pending.devices()) {
      if (connection.aborted) return;
      await this.#send(device, 0);
    }
  }

  async #resendDue(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    for (const [device, { sentAt, repeats }] of this.#waiting) {
      if (this.#connection === undefined) return;
      if (now - sentAt < Math.min(RESEND_MS_MAX, RESEND_MS_MIN * 2 ** repeats)) continue;
      this.#forget(device);
      await this.#send(device, 0);
      const waiting = this.#waiting.get(device);
      if (waiting !== undefined) waiting.repeats = repeats + 1;
    }
  }

  /** What is pending of a device after note `after`: one message with its twins, and one with its state. */
  async #send(device: string, after: number): Promise<void> {
    const { pending, twins, devices, commits } = this.#deps;
    const rows = pending.list(device).filter((row) => row.seq > after);
    const twin: Record<string, MsgTwin> = {};
    const gone: string[] = [];
    for (const { property } of rows) {
      if (property === STATE_PROPERTY) continue;
      const stored = twins.get(device, property);
      if (stored === undefined) gone.push(property);
      else twin[property] = isTombstone(stored) ? viewRemoval(stored) : viewForCloud(stored, SIDES);
    }
    if (gone.length > 0) await commits.write(() => gone.forEach((property) => pending.drop(device, property)));
    const seq = Math.max(after, ...rows.map((row) => row.seq));
    const waiting = this.#waiting.get(device);
    if (waiting !== undefined) waiting.held = false;
    const properties = Object.keys(twin);
    if (properties.length > 0)
      await this.#dispatch({ device, properties, seq }, twinMessage(device, twin, this.#deps.clock.now()));
    const state = devices.get(device);
    if (state !== undefined && rows.some(({ property }) => property === STATE_PROPERTY))
      await this.#dispatch(
        { device, properties: [STATE_PROPERTY], seq },
        stateMessage(device, statePayload(state, this.#deps.clock.now())),
      );
  }

  #hasRoom({ device }: ReportNote): boolean {
    const waiting = this.#waiting.get(device);
    if (waiting === undefined || waiting.sent.size < UNCONFIRMED_PER_DEVICE_MAX) return true;
    waiting.held = true;
    return false;
  }

  async #dispatch(note: ReportNote, message: Message): Promise<void> {
    if (this.#connection === undefined) return;
    const { device, seq } = note;
    const { msg_id: id } = message.header;
    const fresh = { sent: new Map<string, ReportNote>(), sentAt: 0, repeats: 0, seq: 0, held: false };
    const waiting: Waiting = this.#waiting.get(device) ?? fresh;
    this.#waiting.set(device, waiting);
    waiting.sent.set(id, note);
    waiting.sentAt = this.#deps.clock.monotonic();
    waiting.seq = Math.max(waiting.seq, seq);
    this.#deviceOf.set(id, device);
    if (await this.#give(message)) return;
    waiting.sent.delete(id);
    this.#deviceOf.delete(id);
  }

  /** @returns whether the hub took it. */
  async #give(message: Message): Promise<boolean> {
    const { bus, logger } = this.#deps;
    try {
      await bus.request("hub/send", message, this.#signal);
      return true;
    } catch (error) {
      const { resource } = message.route;
      if (!this.#signal.aborted)
        logger.warn({ resource, error: toError(error) }, "device report not sent; it stays noted");
      return false;
    }
  }

  #forget(device: string): void {
    for (const id of this.#waiting.get(device)?.sent.keys() ?? []) this.#deviceOf.delete(id);
    this.#waiting.delete(device);
  }
}
