import { badRequest, expired, revisionInFuture } from "./status-error.ts";
import { StorageError } from "../storage/storage-error.ts";

/** A `resourceVersion` in a query as a number; undefined: absent. @throws KubeApiError `BadRequest` */
export function revisionOf(query: URLSearchParams, parameter = "resourceVersion"): number | undefined {
  const text = query.get(parameter) ?? "";
  if (text === "") return undefined;
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision))
    throw badRequest(`${parameter}: Invalid value: ${JSON.stringify(text.slice(0, 100))}: must be a number`);
  return revision;
}

/** A number of seconds or items from a query; undefined: absent. @throws KubeApiError `BadRequest` */
export function countOf(query: URLSearchParams, parameter: string): number | undefined {
  const text = query.get(parameter) ?? "";
  if (text === "") return undefined;
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0)
    throw badRequest(`${parameter}: Invalid value: ${JSON.stringify(text.slice(0, 100))}: must not be negative`);
  return count;
}

/** Storage's refusals as the API says them; other errors as they are. */
export function asApiError(error: unknown): unknown {
  if (!(error instanceof StorageError)) return error;
  if (error.code === "RevisionCompacted") return expired(error.message);
  if (error.code === "RevisionInFuture") return revisionInFuture(error.message);
  return error;
}
