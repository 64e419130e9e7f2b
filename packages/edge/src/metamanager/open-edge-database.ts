import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hasCode, type Logger, toError } from "@kedge/runtime";
import { openDatabase, transact } from "@kedge/sqlite";

/** Damaged databases kept aside for whoever wants to look; older ones go. */
export const QUARANTINED_DATABASES_MAX = 3;
/** The files of one SQLite database. */
const SUFFIXES = ["", "-wal", "-shm", "-journal"];

/**
 * Opens the node's database. One that is damaged is put aside, never deleted, and what can still be read of its objects,
 * and of what waits for the cloud, goes into a new one: the node must go on, and the cloud sends again what is missing.
 *
 * @throws {DatabaseError} `DatabaseInUse`: another agent runs on it. `CannotOpenDatabase`.
 */
export function openEdgeDatabase(path: string, logger: Logger): DatabaseSync {
  try {
    const db = openDatabase({ path });
    const problem = integrityProblem(db);
    if (problem === undefined) return db;
    db.close();
    logger.error({ path, problem }, "the database is damaged");
  } catch (error) {
    if (!hasCode(error, "DatabaseCorrupt")) throw error;
    logger.error({ path, error }, "the database is damaged");
  }
  const aside = quarantine(path);
  const db = openDatabase({ path });
  const saved = salvage(aside, db);
  logger.error(
    { aside, objectsSaved: saved.objects, messagesSaved: saved.messages },
    `the damaged database was put aside as ${aside} and ${saved.objects} objects of it saved; the cloud sends the others again`,
  );
  return db;
}

function integrityProblem(db: DatabaseSync): string | undefined {
  try {
    const row = db.prepare("PRAGMA quick_check(1)").get();
    const [answer] = Object.values(row ?? {});
    return answer === "ok" ? undefined : String(answer);
  } catch (error) {
    return toError(error).message;
  }
}

function quarantine(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(":", "")}`;
  for (const suffix of SUFFIXES) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  const folder = dirname(path);
  const prefix = `${basename(path)}.damaged-`;
  const kept = readdirSync(folder).filter((name) => name.startsWith(prefix) && !/-(wal|shm|journal)$/.test(name));
  for (const name of kept.toSorted().slice(0, -QUARANTINED_DATABASES_MAX))
    for (const suffix of SUFFIXES) rmSync(join(folder, name + suffix), { force: true });
  return aside;
}

/** What is worth saving: the cloud's objects, and what the node has accepted for the cloud, for EdgeHub to take over. */
const SALVAGED = [
  {
    create: "CREATE TABLE IF NOT EXISTS meta (key text(256), type text(32), value text, PRIMARY KEY (key))",
    read: "SELECT key, type, value FROM meta NOT INDEXED",
    types: ["string", "string", "string"],
    save: "INSERT OR IGNORE INTO meta (key, type, value) VALUES (?, ?, ?)",
  },
  {
    create:
      "CREATE TABLE IF NOT EXISTS kedge_outbox_salvaged (seq INTEGER PRIMARY KEY, msg_id TEXT, class TEXT, bytes INTEGER, message TEXT)",
    read: "SELECT seq, msg_id, class, bytes, message FROM kedge_outbox NOT INDEXED",
    types: ["number", "string", "string", "number", "string"],
    save: "INSERT OR IGNORE INTO kedge_outbox_salvaged (seq, msg_id, class, bytes, message) VALUES (?, ?, ?, ?, ?)",
  },
] as const;

/** Copies rows one by one, up to the first that cannot be read in either direction. @returns how many of each table. */
function salvage(from: string, to: DatabaseSync): { readonly objects: number; readonly messages: number } {
  let damaged: DatabaseSync;
  try {
    damaged = new DatabaseSync(from, { readOnly: true });
  } catch {
    return { objects: 0, messages: 0 };
  }
  try {
    return transact(to, () => {
      const [objects = 0, messages = 0] = SALVAGED.map((table) => salvageTable(damaged, to, table));
      return { objects, messages };
    });
  } finally {
    damaged.close();
  }
}

function salvageTable(
  damaged: DatabaseSync,
  to: DatabaseSync,
  { create, read, types, save }: (typeof SALVAGED)[number],
): number {
  to.exec(create);
  const insert = to.prepare(save);
  let saved = 0;
  for (const order of ["ASC", "DESC"])
    try {
      for (const row of damaged.prepare(`${read} ORDER BY rowid ${order}`).iterate()) {
        const values = Object.values(row);
        if (types.every((type, at) => typeof values[at] === type)) saved += Number(insert.run(...values).changes);
      }
    } catch {
      // the rest in this direction is lost
    }
  return saved;
}
