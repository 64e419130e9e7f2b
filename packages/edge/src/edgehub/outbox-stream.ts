import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Outbox' migrations know this table; it has one row or none. */
export const STREAM_TABLE = `
  CREATE TABLE kedge_outbox_stream (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    stream TEXT NOT NULL,
    sent INTEGER NOT NULL) STRICT`;
/** Which link carried it last. */
export const STREAM_LINK_COLUMN = "ALTER TABLE kedge_outbox_stream ADD COLUMN link TEXT";

interface Stored {
  readonly stream: string;
  readonly sent: number;
  readonly link: string | undefined;
}

/**
 * The name under which a cloud of ours counts what the outbox sends, and how far it was sent under it.
 *
 * A database may be put back as it was, from a backup or a snapshot, and then gives numbers to messages that had others'
 * before. So a name lives only as long as it must: while something is in doubt, which is to say sent and not known to be
 * done. Otherwise each connection has a new one, and an old watermark can never meet a new message. And a cloud that has
 * seen more of a stream than this database ever sent knows a future that was undone: the name is given up, too. Links have
 * names as well: a cloud that does not know the link that carried the stream last has missed something of it, and what it
 * remembers counts no more.
 */
export class OutboxStream {
  readonly #load: StatementSync;
  readonly #save: StatementSync;
  #stored: Stored | undefined;
  #name: string;
  #link = randomUUID();
  /** What the disk would not take. */
  #assumed = 0;
  #assumedLink: string | undefined;

  constructor(db: DatabaseSync) {
    this.#load = db.prepare("SELECT stream, sent, link FROM kedge_outbox_stream");
    this.#save = db.prepare(
      "INSERT INTO kedge_outbox_stream (id, stream, sent, link) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET stream = excluded.stream, sent = excluded.sent, link = excluded.link",
    );
    this.reload();
    this.#name = this.#stored?.stream ?? randomUUID();
  }

  get name(): string {
    return this.#name;
  }

  /** Messages beyond this number were never given to a link that counts them; it is on disk before they are. */
  get sent(): number {
    return Math.max(this.#assumed, this.#stored?.stream === this.#name ? this.#stored.sent : 0);
  }

  /** The link that carried the stream last. */
  get after(): string | undefined {
    return this.#assumedLink ?? (this.#stored?.stream === this.#name ? this.#stored.link : undefined);
  }

  /** Begins another try to connect. @returns its name. */
  nextLink(): string {
    this.#link = randomUUID();
    return this.#link;
  }

  /** Whether it is known already that the link of now may have carried all up to `seq`. */
  hasMarked(seq: number): boolean {
    return seq <= this.sent && this.after === this.#link;
  }

  /** Gives the stream up: no watermark of it says anything about what waits now. On disk with the next {@link mark}. */
  renew(): void {
    this.#name = randomUUID();
    this.#assumed = 0;
    this.#assumedLink = undefined;
  }

  /** As {@link mark}, where the disk takes nothing: after a crash some may come twice, but what waits must go. */
  assume(seq: number): void {
    this.#assumed = Math.max(this.#assumed, seq);
    this.#assumedLink = this.#link;
  }

  /** Within a transaction: all up to `seq` may have been sent from now on, by the link of now. */
  mark(seq: number): void {
    if (this.hasMarked(seq)) return;
    const stored = { stream: this.#name, sent: Math.max(seq, this.sent), link: this.#link };
    this.#save.run(stored.stream, stored.sent, stored.link);
    this.#stored = stored;
    this.#assumedLink = undefined;
  }

  /** The transaction was rolled back. */
  reload(): void {
    const row = this.#load.get();
    if (row === undefined) return void (this.#stored = undefined);
    const { link } = row;
    this.#stored = {
      stream: String(row["stream"]),
      sent: Number(row["sent"]),
      link: typeof link === "string" ? link : undefined,
    };
  }
}
