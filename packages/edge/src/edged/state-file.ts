import { createHash } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { hasErrno } from "@kedge/runtime";

/** What is kept here is small; a larger file is none of ours. */
const STATE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * One JSON value in a file of the node, which a power cut leaves whole: the old one or the new one. A file that is damaged
 * all the same counts as absent.
 */
export class StateFile<T> {
  readonly #path: string;
  #tail: Promise<unknown> = Promise.resolve();
  #newest = "";
  #written: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns `undefined` if there is none, or none that can be read. */
  async read(): Promise<T | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return undefined;
      throw error;
    }
    if (text.length > STATE_BYTES_MAX) return undefined;
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== digestOf(body)) return undefined;
    this.#written = body; // spare the disk what it has
    return JSON.parse(body) as T;
  }

  /** Resolves once it, or a newer one, is on disk; of several that wait the newest is written. */
  write(value: T): Promise<void> {
    this.#newest = JSON.stringify(value);
    const turn = this.#tail.then(async () => {
      const body = this.#newest;
      if (body === this.#written) return;
      await writeDurably(this.#path, `${digestOf(body)}\n${body}`);
      this.#written = body;
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The file holds either what it held or `text`, also after a power cut. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync(); // or the name may still lead to the old file
  } finally {
    await directory.close();
  }
}
