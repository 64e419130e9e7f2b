import { readdirSync, readFileSync } from "node:fs";
import { KeadmError } from "../keadm-error.ts";

/**
 * An edgecore with this configuration that nobody looks after, such as one that was started by hand.
 *
 * @param known the one that is looked after.
 */
export function strayAgent(config: string, known: number | undefined): number | undefined {
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isSafeInteger(pid) || pid === known || pid === process.pid) continue;
    const words = commandLine(entry);
    if (words.includes(config) && words.some((word) => /(^|\/)edgecore(\/|$)/.test(word))) return pid;
  }
  return undefined;
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // gone meanwhile
  }
}

/** @throws KeadmError `Busy`: to work beside it would take its files away, or start a second one on them. */
export function expectNoStray(config: string, known: number | undefined): void {
  const pid = strayAgent(config, known);
  if (pid !== undefined)
    throw new KeadmError(
      "Busy",
      config,
      `edgecore runs with ${config}, and keadm did not start it (process ${pid}): stop it first`,
    );
}
