import { createReadStream, watchFile } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ManagedProcess, type ProcessName } from "./managed-process.ts";
import { statePaths } from "./state-paths.ts";
import { UserError } from "./user-error.ts";

const FOLLOW_POLL_MS = 250;

const NAMES: readonly ProcessName[] = ["cloud", "edge", "containerd", "sensor"];

/** Prints the log of one of the processes; with `follow`, goes on until `signal` aborts. */
export async function logs(
  stateDir: string,
  which: string | undefined,
  follow: boolean,
  signal: AbortSignal,
): Promise<void> {
  const name = NAMES.find((known) => known === which);
  if (name === undefined)
    throw new UserError(
      `${which === undefined ? "whose log?" : `there is no log of '${which}':`} choose one of ${NAMES.join(", ")}`,
      "logs",
    );
  const { logFile } = new ManagedProcess(name, statePaths(stateDir));
  let position = 0;
  const printNew = async (): Promise<void> => {
    const { size } = await stat(logFile).catch((error: unknown) => {
      if (isForbidden(error)) throw forbidden(logFile, which);
      throw new UserError(`there is no ${logFile}: run ./kedge up first, or name its --state-dir`, "logs");
    });
    if (size < position) position = 0; // it was set aside and begun anew
    if (size === position) return;
    const part = createReadStream(logFile, { start: position, end: size - 1 });
    position = size;
    await pipeline(part, process.stdout, { end: false, signal }).catch((error: unknown) => {
      throw isForbidden(error) ? forbidden(logFile, which) : error;
    });
  };
  await printNew();
  if (!follow) return;
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  let printing = Promise.resolve();
  const watcher = watchFile(logFile, { interval: FOLLOW_POLL_MS }, () => {
    printing = printing.then(printNew).catch(() => resolve());
  });
  signal.addEventListener("abort", () => resolve(), { once: true });
  await stopped;
  watcher.removeAllListeners();
  watcher.unref();
}

function isForbidden(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EACCES";
}

function forbidden(file: string, which: string | undefined): UserError {
  return new UserError(`${file} is root's: sudo ./kedge logs ${which ?? ""}`, "logs");
}
