import { STATE_DIR_DEFAULT, stateDirFlag } from "./state-paths.ts";

/** What commander complains of, as one line: its suggestions come on lines of their own. */
export function oneLine(complaint: string): string {
  return complaint
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
}

/** How to go on after Ctrl-C: what `up` has started runs on, and what `down` has not stopped, too. */
export function whenInterrupted(command: string | undefined, args: readonly string[]): string {
  if (command !== "up" && command !== "down") return "interrupted";
  const flag = stateDirFlag({ stateDir: stateDirIn(args) });
  if (command === "down") return `interrupted; ./kedge down${flag} goes on`;
  return `interrupted; ./kedge up${flag} goes on, ./kedge down${flag} stops what runs`;
}

function stateDirIn(args: readonly string[]): string {
  const joined = args.findLast((arg) => arg.startsWith("--state-dir="))?.slice("--state-dir=".length);
  return joined ?? args[args.lastIndexOf("--state-dir") + 1 || args.length] ?? STATE_DIR_DEFAULT;
}
