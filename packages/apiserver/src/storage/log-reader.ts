import type { DatabaseSync, StatementSync } from "node:sqlite";
import { StorageError } from "./storage-error.ts";
import { type Change, StoredObject } from "./stored-object.ts";

export interface ListRange {
  /** Only keys after this one. */
  readonly startAfter?: string | undefined;
  /** At most so many; absent: all. */
  readonly limit?: number | undefined;
  /** The state as it was then; absent: now. */
  readonly atRevision?: number | undefined;
}

interface Row {
  readonly key: string;
  readonly revision: number;
  readonly value: string;
}

interface ChangeRow extends Row {
  readonly type: Change["type"];
  readonly previousRevision: number | null;
  readonly previousValue: string | null;
}

const NO_LIMIT = -1;

const LIST_NOW = `
  SELECT key, revision, value FROM current JOIN revisions USING (key, revision)
  WHERE key > @after AND key < @end ORDER BY key LIMIT @limit`;

// SQLite takes the other columns from the row that has the maximum.
const LIST_THEN = `
  SELECT key, revision, value FROM (
    SELECT key, max(revision) AS revision, type, value FROM revisions
    WHERE key > @after AND key < @end AND revision <= @revision GROUP BY key)
  WHERE type <> 'DELETED' ORDER BY key LIMIT @limit`;

const CHANGES = `
  SELECT r.key, r.revision, r.type, r.value, p.revision AS previousRevision, p.value AS previousValue
  FROM revisions AS r LEFT JOIN revisions AS p ON p.revision = r.previous
  WHERE r.revision > @after AND r.key >= @start AND r.key < @end ORDER BY r.revision LIMIT @limit`;

/** The questions one can ask the log. */
export class LogReader {
  readonly #get: StatementSync;
  readonly #listNow: StatementSync;
  readonly #listThen: StatementSync;
  readonly #countNow: StatementSync;
  readonly #changes: StatementSync;
  readonly #unchanged: StatementSync;
  readonly #revision: StatementSync;
  readonly #compacted: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare(
      "SELECT revision, value FROM current JOIN revisions USING (key, revision) WHERE current.key = ?",
    );
    this.#listNow = db.prepare(LIST_NOW);
    this.#listThen = db.prepare(LIST_THEN);
    this.#countNow = db.prepare("SELECT count(*) AS n FROM current WHERE key > ? AND key < ?");
    this.#changes = db.prepare(CHANGES);
    this.#unchanged = db.prepare(
      "SELECT key FROM current WHERE key >= @start AND key < @end AND revision <= @revision ORDER BY revision LIMIT @limit",
    );
    this.#revision = db.prepare("SELECT max(revision) AS revision FROM revisions");
    this.#compacted = db.prepare("SELECT revision FROM compaction");
  }

  /** The newest revision; 0: nothing was ever written. */
  get revision(): number {
    return Number(this.#revision.get()?.["revision"] ?? 0);
  }

  /** Changes up to and including this one are forgotten. */
  get compactedRevision(): number {
    return Number(this.#compacted.get()?.["revision"] ?? 0);
  }

  get(key: string): StoredObject | undefined {
    const row = this.#get.get(key) as Pick<Row, "revision" | "value"> | undefined;
    return row && new StoredObject(key, row.revision, row.value);
  }

  /** All objects whose key begins with `prefix`, ordered by key. @throws {StorageError} as {@link checkRevision} */
  list(prefix: string, { startAfter, limit = NO_LIMIT, atRevision }: ListRange = {}): StoredObject[] {
    const range = { after: startAfter ?? prefix, end: endOf(prefix), limit };
    if (atRevision !== undefined) this.checkRevision(atRevision);
    const rows =
      atRevision === undefined ? this.#listNow.all(range) : this.#listThen.all({ ...range, revision: atRevision });
    return (rows as unknown as Row[]).map((row) => new StoredObject(row.key, row.revision, row.value));
  }

  /** How many objects there are now whose key begins with `prefix`. */
  count(prefix: string, startAfter = prefix): number {
    return Number(this.#countNow.get(startAfter, endOf(prefix))?.["n"] ?? 0);
  }

  /** Keys of objects last written at `revision` or before, the longest unchanged first. */
  unchangedSince(revision: number, prefix: string, limit: number): string[] {
    return this.#unchanged.all({ start: prefix, end: endOf(prefix), revision, limit }).map((row) => String(row["key"]));
  }

  /** What happened after `revision` under `prefix`, oldest first. @throws {StorageError} as {@link checkRevision} */
  changesAfter(revision: number, prefix: string, limit: number): Change[] {
    this.checkRevision(revision);
    const rows = this.#changes.all({ after: revision, start: prefix, end: endOf(prefix), limit });
    return (rows as unknown as ChangeRow[]).map(({ key, type, value, previousRevision, previousValue, ...row }) => ({
      type,
      stored: new StoredObject(key, row.revision, value),
      previous:
        previousRevision === null || previousValue === null
          ? undefined
          : new StoredObject(key, previousRevision, previousValue),
    }));
  }

  /** @throws {StorageError} `RevisionCompacted`, `RevisionInFuture`: nobody can tell what was, or will be, then. */
  checkRevision(revision: number): void {
    const { compactedRevision } = this;
    if (revision < compactedRevision)
      throw new StorageError(`too old resource version: ${revision} (${compactedRevision})`, {
        code: "RevisionCompacted",
        revision,
        compactedRevision,
      });
    const currentRevision = this.revision;
    if (revision > currentRevision)
      throw new StorageError(`Too large resource version: ${revision}, current: ${currentRevision}`, {
        code: "RevisionInFuture",
        revision,
        currentRevision,
      });
  }
}

/** The first key that no longer begins with `prefix`, which ends with a slash: "0" comes after "/". */
function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}0`;
}
