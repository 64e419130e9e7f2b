import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openFailure } from "./database-error.ts";

export interface DatabaseConfig {
  /** A file, created with mode 0600 (its folder with 0700) if absent; or `:memory:`. */
  readonly path: string;
  /** Keep every other process out while we run; false lets tools read along. Default true. */
  readonly exclusive?: boolean;
  /** How long to wait for another process' lock. Default 2000. */
  readonly busyTimeoutMs?: number;
}

/** The write-ahead log goes back into the file at this size; it bounds the time to open after a crash. */
const WAL_PAGES_MAX = 1000;
const BUSY_TIMEOUT_MS = 2000;

/**
 * Opens a database so that a commit, once it returned, survives loss of power: WAL with `synchronous=FULL`. Dispose it to
 * close it.
 *
 * @throws {DatabaseError} `DatabaseInUse`, `DatabaseCorrupt`, `CannotOpenDatabase`.
 */
export function openDatabase(config: DatabaseConfig): DatabaseSync {
  const { path, exclusive = true, busyTimeoutMs = BUSY_TIMEOUT_MS } = config;
  let db: DatabaseSync | undefined;
  try {
    const inMemory = path === ":memory:";
    if (!inMemory) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fresh = !inMemory && !existsSync(path);
    db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    if (fresh) chmodSync(path, 0o600); // before there is anything in it; WAL and journal files take over the mode
    if (exclusive) db.exec("PRAGMA locking_mode = EXCLUSIVE");
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${WAL_PAGES_MAX};
      PRAGMA journal_size_limit = ${WAL_PAGES_MAX * 4096};
      PRAGMA foreign_keys = ON;
      BEGIN IMMEDIATE;
      COMMIT;`); // the empty transaction takes the lock now, rather than at the first write
    return db;
  } catch (error) {
    db?.close();
    throw openFailure(path, error);
  }
}
