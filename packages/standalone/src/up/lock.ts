import { randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StatePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";

/** Runs `work` while no other `up` or `down` works on the same state directory. @throws UserError if one does. */
export async function withLock<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  const file = join(paths.run.dir, "command.lock");
  await take(file);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/** The file is complete the moment it is there: its name is given to one that says already who holds it. */
async function take(file: string): Promise<void> {
  const mine = `${file}.${randomUUID()}`;
  await writeFile(mine, String(process.pid), { mode: 0o600 });
  try {
    while (!(await claimed(mine, file))) {
      const holder = Number(await readFile(file, "utf8").catch(() => ""));
      if (isAlive(holder))
        throw new UserError(`another ./kedge up or down is at work here (process ${holder}): wait for it`, "lock");
      await rm(file, { force: true }); // its holder was killed
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function claimed(mine: string, file: string): Promise<boolean> {
  try {
    await link(mine, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
