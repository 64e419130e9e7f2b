import { formatLabelSelector, type KubeObject, type LabelSelector, requirementsOf } from "@kedge/kube";
import type { TableColumn } from "./resource-definition.ts";

export type Cell = string | number | boolean | null;

/** How `kubectl get` shows the objects of one resource: one cell a column, those with priority 1 only with `-o wide`. */
export interface Printer<T extends KubeObject = KubeObject> {
  readonly columns: readonly TableColumn[];
  cells(object: T, nowMs: number): Cell[];
}

export function column(
  name: string,
  description: string,
  { type = "string", priority = 0, format = "" }: Partial<Pick<TableColumn, "type" | "priority" | "format">> = {},
): TableColumn {
  return { name, type, format, description, priority };
}

export const NAME_COLUMN = column("Name", "Name of the object, unique within its namespace.", { format: "name" });
export const AGE_COLUMN = column("Age", "Time since the object was created.");
export const WIDE = { priority: 1 } as const;
export const INTEGER = { type: "integer" } as const;
export const BOOLEAN = { type: "boolean" } as const;

export const NONE = "<none>";
export const UNKNOWN = "<unknown>";

const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const YEAR_D = 365;

/** A duration as kubectl shows it: `5s`, `2m30s`, `3h`, `4d12h`, `2y10d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / SECOND_MS);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * MINUTE_S) return `${seconds}s`;
  const minutes = Math.floor(seconds / MINUTE_S);
  if (minutes < 10) return pair(minutes, "m", seconds % MINUTE_S, "s");
  if (minutes < 3 * 60) return `${minutes}m`;
  const hours = Math.floor(seconds / HOUR_S);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 2 * 24) return `${hours}h`;
  const days = Math.floor(seconds / DAY_S);
  if (days < 8) return pair(days, "d", hours % 24, "h");
  if (days < 2 * YEAR_D) return `${days}d`;
  const years = Math.floor(days / YEAR_D);
  return years < 8 ? pair(years, "y", days % YEAR_D, "d") : `${years}y`;
}

function pair(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;
}

/** How long ago that was, or `<unknown>` without a time. */
export function since(time: string | undefined, nowMs: number): string {
  const then = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(then) ? UNKNOWN : humanDuration(nowMs - then);
}

export function ageOf(object: KubeObject, nowMs: number): string {
  return since(object.metadata?.creationTimestamp, nowMs);
}

export function nameOf(object: KubeObject): string {
  return object.metadata?.name ?? "";
}

/** `a=1,b=2`, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? NONE : pairs.map(([key, value]) => `${key}=${value}`).join(",");
}

/** A selector as text, or `<none>`. */
export function selectorText(selector: LabelSelector | undefined): string {
  try {
    return formatLabelSelector(requirementsOf(selector) ?? []) || NONE;
  } catch {
    return "<invalid>";
  }
}

/** The first few of a list, and how many more there are. */
export function firstFew(list: readonly string[], shownMax = 3): string {
  if (list.length === 0) return "<unset>";
  const shown = list.slice(0, shownMax).join(",");
  return list.length > shownMax ? `${shown} + ${list.length - shownMax} more...` : shown;
}

/** Name and age, which every resource has at least. */
export const PLAIN_PRINTER: Printer = {
  columns: [NAME_COLUMN, AGE_COLUMN],
  cells: (object, nowMs) => [nameOf(object), ageOf(object, nowMs)],
};

/** What resources without columns of their own show. */
export const CREATED_AT_PRINTER: Printer = {
  columns: [NAME_COLUMN, column("Created At", "When the object was created.", { type: "date" })],
  cells: (object) => [nameOf(object), object.metadata?.creationTimestamp ?? ""],
};
