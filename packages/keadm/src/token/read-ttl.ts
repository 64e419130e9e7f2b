import { parseGoDuration } from "@kedge/runtime";
import { InvalidArgumentError } from "commander";

const DAY_MS = 24 * 60 * 60_000;

/** A Go duration, or whole days (`7d`). @returns ms. @throws InvalidArgumentError unless it is positive */
export function readTtl(text: string): number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  const ms = days === undefined ? parseGoDuration(text) : Number(days) * DAY_MS;
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("not a duration: write it like 90m, 24h or 7d");
}
