import { readdirSync, readFileSync } from "node:fs";
import { statePaths } from "../state-paths.ts";
import { readRecord } from "./up-record.ts";
import type { PortNumbers } from "./up-options.ts";

/** Another `./kedge up` of this host that runs now. */
export interface OtherUp {
  readonly stateDir: string;
  readonly nodeName: string;
  readonly ports: PortNumbers;
}

/** Finds them by their programs' command lines, which name files in their state directories. */
export async function otherUps(): Promise<OtherUp[]> {
  const stateDirs = new Set(readdirSync("/proc").flatMap((pid) => (/^\d+$/.test(pid) ? stateDirsIn(pid) : [])));
  const found = await Promise.all(
    [...stateDirs].map(async (stateDir) => {
      const record = await readRecord(statePaths(stateDir)).catch(() => undefined);
      return record === undefined ? [] : [{ ...record.options, stateDir }];
    }),
  );
  return found.flat();
}

function stateDirsIn(pid: string): string[] {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.flatMap((word) => /^(\/.*)\/(?:cloud\/cloudcore|edge\/edgecore)\.yaml$/.exec(word)?.[1] ?? []);
  } catch {
    return []; // it has ended
  }
}
