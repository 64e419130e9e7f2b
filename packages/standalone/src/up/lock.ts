import { open, readFile, rm } from "node:fs/promises";
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

async function take(file: string): Promise<void> {
  try {
    const handle = await open(file, "wx", 0o600);
    await handle.writeFile(String(process.pid));
    await handle.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const holder = Number(await readFile(file, "utf8").catch(() => ""));
    if (isAlive(holder))
      throw new UserError(`another ./kedge up or down is at work here (process ${holder}): wait for it`, "lock");
    await rm(file, { force: true }); // its holder was killed
    await take(file);
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
