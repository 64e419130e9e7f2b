import { copyFileSync, existsSync, mkdtempSync, openSync, closeSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { KubeObject } from "@kedge/kube";
import { systemClock, toError } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";

const COPY_TRIES_MAX = 20;
const COPY_RETRY_MS = 50;
const WAL_HEADER_BYTES = 32;
/** The kernel's clock for files ticks slowly: of a change this recent another may bear the same time. */
const MTIME_SETTLED_MS = 30;

/**
 * The agent's database as it was a moment ago. The agent keeps everybody else out of its file while it runs, so we read a
 * copy: the file and its log, taken while neither was begun anew.
 */
export class EdgeDatabase implements Disposable {
  readonly #db: DatabaseSync;
  readonly #dir: string;

  private constructor(db: DatabaseSync, dir: string) {
    this.#db = db;
    this.#dir = dir;
  }

  /** @throws KeadmError `NotFound` without a database, `BadInput` if it is none */
  static async open(path: string, signal: AbortSignal): Promise<EdgeDatabase> {
    if (!existsSync(path))
      throw new KeadmError(
        "NotFound",
        path,
        `there is no edge database ${path}: has this host joined? Another place is given with -p`,
      );
    const dir = mkdtempSync(join(tmpdir(), "keadm-")); // mode 0700: it holds secrets
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(await copyDatabase(path, dir, signal));
      db.prepare("SELECT count(*) FROM meta").get();
      return new EdgeDatabase(db, dir);
    } catch (error) {
      db?.close();
      rmSync(dir, { recursive: true, force: true });
      if (error instanceof KeadmError || signal.aborted) throw error;
      throw new KeadmError("BadInput", path, `${path} cannot be read as an edge database: ${toError(error).message}`, {
        cause: error,
      });
    }
  }

  /** All objects of one wire type: `pod`, `configmap`, `secret`, `node`, … */
  list(type: string): KubeObject[] {
    const rows = this.#db.prepare("SELECT value FROM meta WHERE type = ? ORDER BY key").all(type);
    return rows.flatMap(({ value }) => parseObject(value));
  }

  /** How many rows there are of each type. */
  counts(): Record<string, number> {
    const rows = this.#db.prepare("SELECT type, count(*) AS count FROM meta GROUP BY type ORDER BY type").all();
    return Object.fromEntries(rows.map(({ type, count }) => [String(type), Number(count)]));
  }

  /** What SQLite itself finds wrong; undefined: nothing. */
  damage(): string | undefined {
    const [answer] = Object.values(this.#db.prepare("PRAGMA quick_check(1)").get() ?? {});
    return answer === "ok" ? undefined : String(answer);
  }

  [Symbol.dispose](): void {
    this.#db.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function parseObject(value: unknown): KubeObject[] {
  try {
    const object = JSON.parse(String(value)) as KubeObject | null;
    return typeof object?.metadata?.name === "string" ? [object] : [];
  } catch {
    return []; // an older agent stored other things, too
  }
}

/**
 * Copies the file and its write-ahead log. The log only grows, until a checkpoint writes it into the file and begins it anew:
 * if neither the file nor the log's head changed meanwhile, both copies fit together.
 *
 * @returns the copy's path.
 */
export async function copyDatabase(path: string, dir: string, signal: AbortSignal): Promise<string> {
  const copy = join(dir, "edgecore.db");
  for (let tries = 1; tries <= COPY_TRIES_MAX; tries += 1) {
    const before = generation(path);
    copyFileSync(path, copy);
    rmSync(`${copy}-wal`, { force: true });
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
    const settled = Date.now() - statSync(path).mtimeMs > MTIME_SETTLED_MS;
    if (settled && generation(path) === before) return copy;
    await systemClock.sleep(COPY_RETRY_MS, signal);
  }
  throw new KeadmError("Busy", path, `${path} changes too fast to be copied: try again, or stop the agent`);
}

function generation(path: string): string {
  const { mtimeNs, size } = statSync(path, { bigint: true });
  return `${mtimeNs} ${size} ${walHead(`${path}-wal`)}`;
}

function walHead(path: string): string {
  if (!existsSync(path)) return "";
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(WAL_HEADER_BYTES);
    return head.toString("hex", 0, readSync(file, head, 0, WAL_HEADER_BYTES, 0));
  } finally {
    closeSync(file);
  }
}
