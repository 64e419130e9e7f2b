import { KubeApiError } from "@kedge/kube";
import { hasCode, isRetryable } from "@kedge/runtime";

/** HTTP statuses that say: not now. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 503, 504]);

/** Whether the same upstream work may succeed later, without anybody changing it. What conflicts is final: it is out of date. */
export function mayHeal(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.details.httpStatus === 429 || error.details.httpStatus >= 500;
  return isRetryable(error);
}

/** Whether the API server is away or asks for patience, which says nothing about the work itself. */
export function isAway(error: unknown): boolean {
  if (error instanceof KubeApiError) return NOT_NOW.has(error.details.httpStatus);
  return hasCode(error, "Unreachable") || hasCode(error, "TimedOut") || hasCode(error, "CredentialUnavailable");
}
