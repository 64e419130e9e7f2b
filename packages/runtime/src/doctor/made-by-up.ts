import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The first line of every configuration that `./kedge up` writes. */
export const UP_CONFIG_HEADER = "# Written by ./kedge up, anew each time.";
const STATE_DIR_DEFAULT = "/var/lib/kedge";

/**
 * How to start or stop what this configuration belongs to, if `./kedge up` made it: it writes
 * `STATE_DIR/{cloud,edge}/*.yaml`.
 *
 * @returns `undefined` for a file of anybody else's, or one that cannot be read.
 */
export function madeByUp(configPath: string): { readonly up: string; readonly down: string } | undefined {
  try {
    if (!readFileSync(configPath, "utf8").startsWith(UP_CONFIG_HEADER)) return undefined;
  } catch {
    return undefined;
  }
  const stateDir = dirname(dirname(resolve(configPath)));
  const flag = stateDir === STATE_DIR_DEFAULT ? "" : ` --state-dir ${stateDir}`;
  return { up: `./kedge up${flag}`, down: `./kedge down${flag}` };
}
