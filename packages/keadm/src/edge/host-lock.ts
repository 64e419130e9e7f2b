import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { identify, isSame, type ProcessIdentity } from "../host/process-identity.ts";
import { KeadmError } from "../keadm-error.ts";

/**
 * Runs `work` while no other keadm backs up, upgrades, rolls back or changes the configuration of this host. FIX: a keadm that
 * was killed does not keep the others out for ever, as the file says who holds it.
 *
 * @throws KeadmError `Busy`
 */
export async function withHostLock<T>(file: string, command: string, work: () => Promise<T>): Promise<T> {
  take(file, command);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

interface Holder extends ProcessIdentity {
  readonly command: string;
}

/** The file is complete the moment it is there: its name is given to one that says already who holds it. */
function take(file: string, command: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify({ ...identify(process.pid), command }), { mode: 0o600 });
  try {
    while (!claimed(mine, file)) {
      const holder = readHolder(file);
      if (holder !== undefined && isSame(holder))
        throw new KeadmError(
          "Busy",
          file,
          `keadm ${holder.command} is at work on this host (process ${holder.pid}): wait for it`,
        );
      rmSync(file, { force: true }); // its holder was killed, or is none of ours
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

function claimed(mine: string, file: string): boolean {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8")) as Partial<Holder> | null;
    const { pid, startTicks, bootId, command } = holder ?? {};
    if (typeof pid !== "number" || typeof startTicks !== "string" || typeof bootId !== "string") return undefined;
    return { pid, startTicks, bootId, command: String(command) };
  } catch {
    return undefined;
  }
}
