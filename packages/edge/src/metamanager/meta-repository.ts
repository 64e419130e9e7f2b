import { compareResourceVersions } from "@kedge/kube";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { migrate } from "@kedge/sqlite";
import type { Incarnation } from "./plan-store.ts";

/** One row, in the form in which KubeEdge stores it. */
export interface MetaRow {
  /** The wire resource: `default/pod/nginx`. */
  readonly key: string;
  readonly type: string;
  /** The object's JSON; for patches and the cluster's CA the bare text. */
  readonly value: string;
}

/** How many deletions are remembered; a copy that comes later than this many deletions after its own is believed. */
export const TOMBSTONES_MAX = 4096;

// `meta` is KubeEdge's table, column for column, so that its agent and ours can take over each other's database.
const MIGRATIONS = [
  `CREATE TABLE IF NOT EXISTS meta (key text(256), type text(32), value text, PRIMARY KEY (key));
   CREATE INDEX IF NOT EXISTS kedge_meta_type ON meta (type);
   CREATE TABLE kedge_meta_tombstone (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, resource_version TEXT NOT NULL) STRICT`,
];

/** Table `meta`, all that the node knows of the cluster. Writes must run within a transaction of the one writer. */
export class MetaRepository {
  readonly #get: StatementSync;
  readonly #incarnation: StatementSync;
  readonly #list: StatementSync;
  readonly #keys: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #bury: StatementSync;
  readonly #forget: StatementSync;
  readonly #buried: StatementSync;

  constructor(db: DatabaseSync) {
    migrate(db, "metamanager", MIGRATIONS);
    this.#get = db.prepare("SELECT value FROM meta WHERE key = ?");
    // Read from the value itself: a stock agent may have written rows meanwhile, and it keeps no version column.
    this.#incarnation = db.prepare(`
      SELECT json_extract(value, '$.metadata.uid') AS uid,
             json_extract(value, '$.metadata.resourceVersion') AS resourceVersion
      FROM meta WHERE key = ? AND json_valid(value)`);
    this.#list = db.prepare("SELECT key, type, value FROM meta WHERE type = ? ORDER BY key");
    this.#keys = db.prepare("SELECT key FROM meta WHERE type = ? ORDER BY key");
    this.#put = db.prepare(`
      INSERT INTO meta (key, type, value) VALUES (@key, @type, @value)
      ON CONFLICT (key) DO UPDATE SET type = excluded.type, value = excluded.value`);
    this.#remove = db.prepare("DELETE FROM meta WHERE key = ?");
    this.#bury = db.prepare("INSERT OR REPLACE INTO kedge_meta_tombstone (uid, resource_version) VALUES (?, ?)");
    this.#forget = db.prepare(`
      DELETE FROM kedge_meta_tombstone
      WHERE seq <= (SELECT max(seq) FROM kedge_meta_tombstone) - ${TOMBSTONES_MAX}`);
    this.#buried = db.prepare("SELECT resource_version FROM kedge_meta_tombstone WHERE uid = ?");
  }

  get(key: string): string | undefined {
    return this.#get.get(key)?.["value"] as string | undefined;
  }

  /** The stored object's identity; `undefined` without a row, or if its value is no JSON. */
  incarnation(key: string): Incarnation | undefined {
    const row = this.#incarnation.get(key);
    if (row === undefined) return undefined;
    const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
    return { uid: text(row["uid"]), resourceVersion: text(row["resourceVersion"]) };
  }

  list(type: string): MetaRow[] {
    return this.#list.all(type) as unknown as MetaRow[];
  }

  keys(type: string): string[] {
    return this.#keys.all(type).map((row) => row["key"] as string);
  }

  put({ key, type, value }: MetaRow): void {
    this.#put.run({ key, type, value });
  }

  /** @returns whether there was a row. */
  remove(key: string): boolean {
    return this.#remove.run(key).changes > 0;
  }

  /** Remembers that copies of the object with this UID up to this version are late; what is remembered only grows. */
  bury(uid: string, resourceVersion: string): void {
    const buried = this.buriedVersion(uid);
    const grows = compareResourceVersions(resourceVersion, buried) >= 0;
    this.#bury.run(uid, grows || buried === undefined ? resourceVersion : buried);
    this.#forget.run();
  }

  /** The latest version given to {@link bury}, if it is still remembered. */
  buriedVersion(uid: string): string | undefined {
    return this.#buried.get(uid)?.["resource_version"] as string | undefined;
  }
}
