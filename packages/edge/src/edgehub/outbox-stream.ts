import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Outbox' migrations know this table; it has one row or none. */
export const STREAM_TABLE = `
  CREATE TABLE kedge_outbox_stream (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    stream TEXT NOT NULL,
    sent INTEGER NOT NULL) STRICT`;

/**
 * The name under which a cloud of ours counts what the outbox sends, and how far it was sent under it.
 *
 * A database may be put back as it was, from a backup or a snapshot, and then gives numbers to messages that had others'
 * before. So a name lives only as long as it must: while something is in doubt, which is to say sent and not known to be
 * done. Otherwise each connection has a new one, and an old watermark can never meet a new message. And a cloud that has
 * seen more of a stream than this database ever sent knows a future that was undone: the name is given up, too.
 */
export class OutboxStream {
  readonly #load: StatementSync;
  readonly #save: StatementSync;
  #stored: { readonly stream: string; readonly sent: number } | undefined;
  #name: string;
  /** What the disk would not take. */
  #assumed = 0;

  constructor(db: DatabaseSync) {
    this.#load = db.prepare("SELECT stream, sent FROM kedge_outbox_stream");
    this.#save = db.prepare(
      "INSERT INTO kedge_outbox_stream (id, stream, sent) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET stream = excluded.stream, sent = excluded.sent",
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

  /** Gives the stream up: no watermark of it says anything about what waits now. On disk with the next {@link mark}. */
  renew(): void {
    this.#name = randomUUID();
    this.#assumed = 0;
  }

  /** As {@link mark}, where the disk takes nothing: after a crash some may come twice, but what waits must go. */
  assume(seq: number): void {
    this.#assumed = Math.max(this.#assumed, seq);
  }

  /** Within a transaction: all up to `seq` may have been sent from now on. */
  mark(seq: number): void {
    if (seq <= this.sent) return;
    this.#save.run(this.#name, seq);
    this.#stored = { stream: this.#name, sent: seq };
  }

  /** The transaction was rolled back. */
  reload(): void {
    const row = this.#load.get();
    this.#stored = row === undefined ? undefined : { stream: String(row["stream"]), sent: Number(row["sent"]) };
  }
}
