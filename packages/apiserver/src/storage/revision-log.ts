import { isDeepStrictEqual } from "node:util";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { KubeObject } from "@kedge/kube";
import { GroupCommit, migrate, openDatabase } from "@kedge/sqlite";
import { LogReader } from "./log-reader.ts";
import { StorageError } from "./storage-error.ts";
import { type Change, StoredObject } from "./stored-object.ts";

/** One append-only table is the whole truth: the current state is its newest row of each key, every watch reads its tail. */
const MIGRATIONS = [
  `CREATE TABLE revisions (
     revision INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     type TEXT NOT NULL,
     previous INTEGER,
     value TEXT NOT NULL
   ) STRICT;
   CREATE INDEX revisions_of_key ON revisions (key, revision);
   CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE compaction (only INTEGER PRIMARY KEY CHECK (only = 1), revision INTEGER NOT NULL) STRICT;
   INSERT INTO compaction VALUES (1, 0);`,
];

/**
 * A state goes once the change that replaced it is compacted: until then that change, when watched, needs it as its
 * previous state, and lists at an earlier revision still show it.
 */
const DROP_REPLACED = `
  DELETE FROM revisions WHERE revision IN (
    SELECT previous FROM revisions WHERE revision > @from AND revision <= @to AND previous IS NOT NULL)`;
const DROP_DELETIONS = "DELETE FROM revisions WHERE revision > @from AND revision <= @to AND type = 'DELETED'";

/** Inside {@link RevisionLog.write}: sees what was written before in the same transaction. */
export interface LogWriter extends Pick<LogReader, "get" | "list" | "count"> {
  /** @throws {StorageError} `KeyExists` */
  create(key: string, object: KubeObject): StoredObject;
  /** Writing what is there already changes nothing and takes no revision. @throws {StorageError} `KeyNotFound` */
  update(key: string, object: KubeObject): StoredObject;
  /**
   * @param last what to show as the last state; absent: the present one.
   * @returns the last state, with the deletion's revision.
   * @throws {StorageError} `KeyNotFound`
   */
  delete(key: string, last?: KubeObject): StoredObject;
}

export interface WriteOptions {
  /** Run it, answer as if it had been written, and write nothing. */
  readonly dryRun?: boolean;
}

/** Every write to every object, in one order: its place in it is the `resourceVersion`. */
export class RevisionLog extends LogReader implements LogWriter, Disposable {
  readonly #db: DatabaseSync;
  readonly #group: GroupCommit;
  readonly #insert: StatementSync;
  readonly #setCurrent: StatementSync;
  readonly #dropCurrent: StatementSync;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  #uncommitted: Change[] = [];
  #writing = false;
  #lastRevision: number;

  private constructor(db: DatabaseSync) {
    super(db);
    this.#db = db;
    this.#group = new GroupCommit(db, { onCommit: () => this.#publish(), onRollback: () => this.#forget() });
    this.#insert = db.prepare("INSERT INTO revisions VALUES (?, ?, ?, ?, ?)");
    this.#setCurrent = db.prepare(
      "INSERT INTO current VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision",
    );
    this.#dropCurrent = db.prepare("DELETE FROM current WHERE key = ?");
    this.#lastRevision = this.revision;
  }

  /** @param path of the database file. @throws {DatabaseError} when it cannot be opened. */
  static open(path: string): RevisionLog {
    const db = openDatabase({ path });
    try {
      migrate(db, "apiserver", MIGRATIONS);
      return new RevisionLog(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * Reads, decides and writes in one transaction, alone: nothing can change in between, so nothing need be tried again.
   *
   * @param work must not wait for anything.
   * @returns what `work` returned, once it is on disk.
   */
  async write<T>(work: (writer: LogWriter) => T, { dryRun = false }: WriteOptions = {}): Promise<T> {
    let rehearsed: { readonly value: T } | undefined;
    const rehearsal = new Error("dry run");
    try {
      return await this.#group.write(() => {
        const mark = this.#uncommitted.length;
        const lastRevision = this.#lastRevision;
        this.#writing = true;
        try {
          const value = work(this);
          if (!dryRun) return value;
          rehearsed = { value };
          throw rehearsal;
        } catch (error) {
          this.#uncommitted.length = mark;
          this.#lastRevision = lastRevision;
          throw error;
        } finally {
          this.#writing = false;
        }
      });
    } catch (error) {
      if (rehearsed !== undefined && error === rehearsal) return rehearsed.value;
      throw error;
    }
  }

  create(key: string, object: KubeObject): StoredObject {
    if (this.get(key) !== undefined) throw new StorageError(`${key} exists`, { code: "KeyExists", key });
    return this.#append("ADDED", key, object, undefined);
  }

  update(key: string, object: KubeObject): StoredObject {
    const previous = this.#existing(key);
    object.metadata = { ...object.metadata, resourceVersion: String(previous.revision) };
    if (isDeepStrictEqual(JSON.parse(serialize(object)), previous.object)) return previous;
    return this.#append("MODIFIED", key, object, previous);
  }

  delete(key: string, last?: KubeObject): StoredObject {
    const previous = this.#existing(key);
    return this.#append("DELETED", key, last ?? previous.copy(), previous);
  }

  /** Tells `listener` of each commit's changes, in order, after the commit and before its writers hear of it. */
  onCommit(listener: (changes: readonly Change[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Forgets the past up to `revision`: watches and lists can no longer start there. The newest revision always stays. */
  async compact(revision: number): Promise<void> {
    await this.#group.write(() => {
      const range = { from: this.compactedRevision, to: Math.min(revision, this.#lastRevision - 1) };
      if (range.to <= range.from) return;
      this.#db.prepare(DROP_REPLACED).run(range);
      this.#db.prepare(DROP_DELETIONS).run(range);
      this.#db.prepare("UPDATE compaction SET revision = ?").run(range.to);
    });
  }

  /** Nothing can be asked or written any more. */
  get closed(): boolean {
    return !this.#db.isOpen;
  }

  [Symbol.dispose](): void {
    this.#group[Symbol.dispose]();
    this.#db.close();
  }

  #existing(key: string): StoredObject {
    const stored = this.get(key);
    if (stored === undefined) throw new StorageError(`${key} does not exist`, { code: "KeyNotFound", key });
    return stored;
  }

  #append(type: Change["type"], key: string, object: KubeObject, previous: StoredObject | undefined): StoredObject {
    if (!this.#writing) throw new Error("the log is written to by RevisionLog.write alone");
    const revision = this.#lastRevision + 1;
    object.metadata = { ...object.metadata, resourceVersion: String(revision) };
    const stored = new StoredObject(key, revision, serialize(object));
    this.#insert.run(revision, key, type, previous?.revision ?? null, stored.json);
    if (type === "DELETED") this.#dropCurrent.run(key);
    else this.#setCurrent.run(key, revision);
    this.#lastRevision = revision;
    this.#uncommitted.push({ type, stored, previous });
    return stored;
  }

  #publish(): void {
    if (this.#uncommitted.length === 0) return;
    const changes = this.#uncommitted;
    this.#uncommitted = [];
    for (const listener of this.#listeners) listener(changes);
  }

  #forget(): void {
    this.#uncommitted = [];
    this.#lastRevision = this.revision;
  }
}

/** `apiVersion` and `kind` first, so that readers may tell them without parsing. */
function serialize(object: KubeObject): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  return JSON.stringify({ apiVersion, kind, metadata, ...rest });
}
