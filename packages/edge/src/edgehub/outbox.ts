import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type ChannelOffer,
  decodeMessage,
  encodeMessage,
  type Message,
  MESSAGE_BYTES_MAX,
  parseResource,
} from "@kedge/protocol";
import { type Logger, toError } from "@kedge/runtime";
import { type GroupCommit, migrate, transact } from "@kedge/sqlite";
import { HubError } from "./hub-error.ts";
import { OutboxStream, STREAM_LINK_COLUMN, STREAM_TABLE } from "./outbox-stream.ts";

/** What may wait on disk for the cloud; beyond it the policy of {@link OutboxClass} applies. */
export const OUTBOX_MESSAGES_MAX = 10_000;
/** The outbox' disk budget, in bytes of its messages; beyond it the policy of {@link OutboxClass} applies. */
export const OUTBOX_BYTES_MAX = 64 * 1024 * 1024;
/** Events tell a story that pales with time: of more than these the oldest go. */
export const OUTBOX_EVENTS_MAX = 1_000;
/** What its number adds to a message. */
const NUMBER_BYTES_MAX = 64;
const SQLITE_FULL = 13;
/** Read from disk at once. */
const PAGE_MESSAGES = 32;

/**
 * What happens to a message when there is no room: of `event` the oldest is dropped, with a log line; a `report` (device
 * values, MQTT uploads, task results) is refused with `QueueFull`, so that its sender slows down and keeps it. Statuses
 * never wait here: MetaManager keeps the newest of each object.
 */
export type OutboxClass = "event" | "report";

export interface OutboxEntry {
  /** Grows from message to message, with gaps where some were dropped; never given twice. */
  readonly seq: number;
  readonly bytes: number;
  readonly message: Message;
}

interface Row {
  readonly seq: number;
  readonly bytes: number;
  readonly message: string;
}

const MIGRATIONS = [
  `CREATE TABLE kedge_outbox (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     msg_id TEXT NOT NULL UNIQUE,
     class TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     message TEXT NOT NULL) STRICT;
   CREATE INDEX kedge_outbox_class ON kedge_outbox (class, seq)`,
  STREAM_TABLE,
  STREAM_LINK_COLUMN,
];

/** What could be read of a damaged database's outbox; none of it is in this one. */
const TAKE_SALVAGED = `
  INSERT OR IGNORE INTO kedge_outbox (msg_id, class, bytes, message)
    SELECT msg_id, class, bytes, message FROM kedge_outbox_salvaged WHERE json_valid(message) ORDER BY seq;
  DROP TABLE kedge_outbox_salvaged`;

/** A message as it travels to a cloud that counts. */
export function numbered(message: Message, seq: number): Message {
  return { ...message, header: { ...message.header, seq } };
}

export function outboxClass({ route }: Message): OutboxClass {
  return parseResource(route.resource)?.type === "event" ? "event" : "report";
}

/** Messages that the node has accepted and the cloud must get, in order, on disk. */
export class Outbox {
  readonly stream: OutboxStream;
  readonly #commits: GroupCommit;
  readonly #logger: Logger;
  readonly #insert: StatementSync;
  readonly #page: StatementSync;
  readonly #removeUpTo: StatementSync;
  readonly #oldestEvent: StatementSync;
  readonly #has: StatementSync;
  readonly #remove: StatementSync;
  readonly #totals: StatementSync;
  readonly #ends: StatementSync;
  #messages = 0;
  #bytes = 0;
  #events = 0;
  #dropped = 0;
  #numbered = false;
  /** Of what waits, the last that a link may have carried to a cloud that does not count, or under another name. */
  #carried: number;

  constructor(db: DatabaseSync, commits: GroupCommit, logger: Logger) {
    migrate(db, "edgehub", MIGRATIONS);
    if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'kedge_outbox_salvaged'").get() !== undefined)
      transact(db, () => db.exec(TAKE_SALVAGED));
    this.#commits = commits;
    this.#logger = logger;
    this.#insert = db.prepare("INSERT INTO kedge_outbox (msg_id, class, bytes, message) VALUES (?, ?, ?, ?)");
    this.#page = db.prepare("SELECT seq, bytes, message FROM kedge_outbox WHERE seq > ? ORDER BY seq LIMIT ?");
    this.#removeUpTo = db.prepare("DELETE FROM kedge_outbox WHERE seq <= ?");
    this.#oldestEvent = db.prepare("SELECT seq, bytes FROM kedge_outbox WHERE class = 'event' ORDER BY seq LIMIT 1");
    this.#has = db.prepare("SELECT 1 FROM kedge_outbox WHERE msg_id = ?");
    this.#remove = db.prepare("DELETE FROM kedge_outbox WHERE seq = ?");
    this.#totals = db.prepare(
      "SELECT count(*) AS messages, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(class = 'event'), 0) AS events FROM kedge_outbox",
    );
    this.#ends = db.prepare("SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), 0) AS last FROM kedge_outbox");
    this.stream = new OutboxStream(db);
    // What an earlier run of ours gave to a stock cloud nobody wrote down.
    this.#carried = this.#waitingEnds().last;
    this.#count();
  }

  /** What waits goes to a cloud that counts it under the stream's name: what is added is as good as sent. */
  set numbered(numbered: boolean) {
    this.#numbered = numbered;
  }

  /** All up to this number was given to a link, and no stream says so. */
  carried(seq: number): void {
    this.#carried = Math.max(this.#carried, seq);
  }

  /**
   * What to tell the cloud before it takes messages: a new stream, unless something is in doubt. Then `sent` is exact: a
   * cloud that has had more of the stream knows that this database is an older one.
   */
  offer(): ChannelOffer {
    const { first } = this.#waitingEnds();
    const { stream } = this;
    const link = stream.nextLink();
    if (first > 0 && first <= stream.sent) return { stream: stream.name, sent: stream.sent, link, after: stream.after };
    stream.renew();
    return { stream: stream.name, sent: first > 0 && first <= this.#carried ? this.#carried : 0, link };
  }

  /**
   * Whether all of the stream that {@link offer} named can be done up to `applied`. If not, this database is an older one
   * than the cloud has met: what it sent is done, and the stream is given up for all else. The next offer is as new.
   */
  async trusts(applied: number): Promise<boolean> {
    const { sent } = this.stream;
    if (applied <= sent) return true;
    this.#logger.error(
      { applied, sent },
      "the cloud has had more of this node's messages than the node's database knows of: it was put back as it was before; what it did not send yet is sent as new",
    );
    this.giveUpStream();
    try {
      await this.removeUpTo(sent);
    } catch (error) {
      this.#logger.warn(
        { error: toError(error) },
        "what the cloud has done stays in the outbox, and is sent once more",
      );
    }
    return false;
  }

  /** What the cloud says of the stream makes no sense: what waits goes under another name, some of it perhaps once more. */
  giveUpStream(): void {
    this.carried(this.stream.sent);
    this.stream.renew();
  }

  #waitingEnds(): { readonly first: number; readonly last: number } {
    const row = this.#ends.get();
    return { first: Number(row?.["first"]), last: Number(row?.["last"]) };
  }

  /** How many messages wait, those included that were sent and may yet have to be sent again. */
  get waiting(): number {
    return this.#messages;
  }

  /**
   * Accepts a message; one with an id that waits already is accepted as the same.
   *
   * @throws {HubError} `QueueFull`, by the policy of its class.
   * @throws {ProtocolError} `MessageTooLarge`, also if it only would be with its number: it would end each link.
   */
  async add(message: Message): Promise<void> {
    const text = encodeMessage(message);
    const bytes = Buffer.byteLength(text);
    if (bytes > MESSAGE_BYTES_MAX - NUMBER_BYTES_MAX) encodeMessage(numbered(message, Number.MAX_SAFE_INTEGER));
    const kind = outboxClass(message);
    await this.#write(() => {
      if (this.#has.get(message.header.msg_id) !== undefined) return;
      this.#makeRoom(kind, bytes);
      const { lastInsertRowid } = this.#insert.run(message.header.msg_id, kind, bytes, text);
      if (this.#numbered) this.stream.mark(Number(lastInsertRowid));
      this.#messages += 1;
      this.#bytes += bytes;
      if (kind === "event") this.#events += 1;
    });
  }

  /** The messages that follow `seq`, oldest first, a page of them. */
  after(seq: number): OutboxEntry[] {
    for (let after = seq; ;) {
      const rows = this.#page.all(after, PAGE_MESSAGES) as unknown as Row[];
      const entries = rows.flatMap((row) => this.#read(row) ?? []);
      const last = rows.at(-1);
      if (entries.length > 0 || last === undefined) return entries;
      after = last.seq;
    }
  }

  /** A row that a failing disk has changed must not hold up those behind it. */
  #read({ seq, bytes, message }: Row): OutboxEntry | undefined {
    try {
      return { seq, bytes, message: decodeMessage(message) };
    } catch (error) {
      this.#logger.error({ seq, error: toError(error) }, "a message in the outbox cannot be read: it is lost");
      const drop = () => {
        this.#remove.run(seq);
        this.#count();
      };
      this.#write(drop).catch(() => undefined); // it is passed over again
      return undefined;
    }
  }

  /** Notes on disk that the stream may have carried all up to `seq`, and on which link; call it before it does. */
  async markSent(seq: number): Promise<void> {
    if (this.stream.hasMarked(seq)) return;
    try {
      await this.#write(() => this.stream.mark(seq));
    } catch (error) {
      this.#logger.warn({ error: toError(error) }, "the outbox cannot note how far it has sent");
      this.stream.assume(seq);
    }
  }

  /** Forgets what the cloud has: every message up to this number. */
  async removeUpTo(seq: number): Promise<void> {
    await this.#write(() => {
      this.#removeUpTo.run(seq);
      this.#count();
    });
  }

  async #write(work: () => void): Promise<void> {
    try {
      await this.#commits.write(work);
    } catch (error) {
      this.#count(); // what `work` counted was rolled back
      this.stream.reload();
      throw isDiskFull(error) ? this.#full("the disk is full", error) : error;
    }
  }

  #full(why: string, cause?: unknown): HubError {
    return new HubError(
      `${why}: ${this.#messages} messages (${this.#bytes} bytes) wait for the cloud already; no more are taken`,
      { code: "QueueFull", waiting: this.#messages, waitingMax: OUTBOX_MESSAGES_MAX },
      { cause },
    );
  }

  #makeRoom(kind: OutboxClass, bytes: number): void {
    const full = () => this.#messages >= OUTBOX_MESSAGES_MAX || this.#bytes + bytes > OUTBOX_BYTES_MAX;
    while (this.#events > 0 && (full() || (kind === "event" && this.#events >= OUTBOX_EVENTS_MAX))) {
      const oldest = this.#oldestEvent.get();
      this.#remove.run(Number(oldest?.["seq"]));
      this.#messages -= 1;
      this.#bytes -= Number(oldest?.["bytes"]);
      this.#events -= 1;
      this.#dropped += 1;
      if (Math.log2(this.#dropped) % 1 === 0)
        this.#logger.warn({ dropped: this.#dropped }, "the outbox is full: oldest events dropped");
    }
    if (full()) throw this.#full("the outbox is full until the cloud is back");
  }

  #count(): void {
    const row = this.#totals.get();
    this.#messages = Number(row?.["messages"]);
    this.#bytes = Number(row?.["bytes"]);
    this.#events = Number(row?.["events"]);
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && (error as { errcode?: unknown }).errcode === SQLITE_FULL;
}
