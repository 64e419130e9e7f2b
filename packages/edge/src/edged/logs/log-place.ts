import type { FormatterState } from "./log-formatter.ts";
import type { LogFileId } from "./log-files.ts";

/** Where reading of a log can go on later, also by another agent process. */
export interface LogPlace extends LogFileId, FormatterState {
  readonly containerId: string;
  /** In the file: where the next record begins. */
  readonly offset: number;
  /** So many bytes after it have been sent already. */
  readonly skip: number;
}

export function formatPlace({ containerId, inode, bornMs, offset, skip, midLine, since, left }: LogPlace): string {
  return [1, containerId, inode, bornMs, offset, skip, Number(midLine), Number(since), left ?? ""].join(" ");
}

const PLACE = /^1 ([\w.-]{1,128}) (\d{1,20}) (\d{1,16}) (\d{1,16}) (\d{1,16}) ([01]) ([01]) (\d{0,16})$/;

/** @returns undefined if it makes no sense. */
export function parsePlace(text: string): LogPlace | undefined {
  const [, containerId, inode, bornMs, offset, skip, midLine, since, left] = PLACE.exec(text) ?? [];
  if (containerId === undefined || inode === undefined) return undefined;
  return {
    containerId,
    inode,
    bornMs: Number(bornMs),
    offset: Number(offset),
    skip: Number(skip),
    midLine: midLine === "1",
    since: since === "1",
    left: left === "" ? undefined : Number(left),
  };
}
