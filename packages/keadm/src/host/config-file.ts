import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** A configuration file that was replaced, until it shows whether the new one serves. */
export interface ReplacedConfig {
  /** What was there before differs, or nothing was there. */
  readonly changed: boolean;
  /** The new one serves: the one before stays beside it. @returns where, if there was another */
  keep(): string | undefined;
  /** The one before is in place again, and an older `.before` was not touched. @returns what is in place now */
  undo(): "the one before" | "none";
}

/** Writes a configuration that only root may read: it may hold passwords. */
export function replaceConfigFile(file: string, text: string): ReplacedConfig {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const changed = before !== text;
  const aside = `${file}.undo`;
  // On the disk, not in memory: keadm may be killed while it waits.
  if (changed && before !== undefined) writePrivate(aside, before);
  writePrivate(file, text);
  return {
    changed,
    keep() {
      if (!changed || before === undefined) return undefined;
      renameSync(aside, `${file}.before`);
      return `${file}.before`;
    },
    undo() {
      if (!changed) return "the one before";
      if (before !== undefined) {
        renameSync(aside, file);
        return "the one before";
      }
      // Another join must not build on what did not work; whoever looks for the cause finds it.
      renameSync(file, `${file}.failed`);
      return "none";
    },
  };
}

function writePrivate(file: string, text: string): void {
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text, { mode: 0o600 });
  chmodSync(unfinished, 0o600);
  renameSync(unfinished, file);
}
