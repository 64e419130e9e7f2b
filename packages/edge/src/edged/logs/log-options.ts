import { KubeletError } from "../server/kubelet-error.ts";

/** What of a container's log is asked for. */
export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Only the last so many lines, before all else. */
  readonly tailLines: number | undefined;
  /** Only lines from then on. */
  readonly sinceMs: number | undefined;
  /** Of what is sent, after all else. */
  readonly limitBytes: number | undefined;
  readonly stream: "stdout" | "stderr" | undefined;
}

/** @throws {KubeletError} `BadRequest` */
export function readLogOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const sinceSeconds = readNumber(query, "sinceSeconds");
  const sinceTime = query.get("sinceTime");
  if (sinceSeconds !== undefined && sinceTime !== null)
    throw KubeletError.badRequest("at most one of sinceTime or sinceSeconds may be specified");
  if (sinceSeconds === 0) throw KubeletError.badRequest("sinceSeconds must be greater than 0");
  const limitBytes = readNumber(query, "limitBytes");
  if (limitBytes === 0) throw KubeletError.badRequest("limitBytes must be greater than 0");
  return {
    follow: readBoolean(query, "follow"),
    previous: readBoolean(query, "previous"),
    timestamps: readBoolean(query, "timestamps"),
    tailLines: query.get("tailLines") === "all" ? undefined : readNumber(query, "tailLines"),
    sinceMs: sinceSeconds === undefined ? readTime(sinceTime) : nowMs - sinceSeconds * 1000,
    limitBytes,
    stream: readStream(query.get("stream")),
  };
}

function readBoolean(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null) return false;
  // As Go reads one; a name alone (`?follow`) means it, too.
  if (["", "1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  throw KubeletError.badRequest(`${name} is ${JSON.stringify(value)}, which is neither true nor false`);
}

function readNumber(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number))
    throw KubeletError.badRequest(`${name} is ${JSON.stringify(value)}, which is no number from 0 on`);
  return number;
}

function readTime(value: string | null): number | undefined {
  if (value === null || value === "") return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) throw KubeletError.badRequest(`sinceTime is ${JSON.stringify(value)}, which is no time`);
  return ms;
}

function readStream(value: string | null): LogOptions["stream"] {
  if (value === null || value === "" || value === "All") return undefined;
  if (value === "Stdout") return "stdout";
  if (value === "Stderr") return "stderr";
  throw KubeletError.badRequest(`stream is ${JSON.stringify(value)}: Stdout, Stderr or All`);
}
