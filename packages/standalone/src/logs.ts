import { createReadStream, watchFile } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ManagedProcess } from "./managed-process.ts";
import { statePaths } from "./state-paths.ts";
import { UserError } from "./user-error.ts";

const FOLLOW_POLL_MS = 250;

/** Prints the log of the cloud or the edge process; with `follow`, goes on until `signal` aborts. */
export async function logs(stateDir: string, which: string, follow: boolean, signal: AbortSignal): Promise<void> {
  if (which !== "cloud" && which !== "edge")
    throw new UserError(`there are logs of 'cloud' and 'edge', not of '${which}'`, "logs");
  const { logFile } = new ManagedProcess(which, statePaths(stateDir));
  let position = 0;
  const printNew = async (): Promise<void> => {
    const { size } = await stat(logFile).catch(() => {
      throw new UserError(`there is no ${logFile}: has ./kedge up run here?`, "logs");
    });
    if (size < position) position = 0; // it was set aside and begun anew
    if (size === position) return;
    const part = createReadStream(logFile, { start: position, end: size - 1 });
    position = size;
    await pipeline(part, process.stdout, { end: false, signal });
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
