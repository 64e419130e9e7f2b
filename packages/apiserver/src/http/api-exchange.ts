import type { Duplex } from "node:stream";
import type { UserInfo } from "../auth/user-info.ts";

/** Larger bodies are refused; Kubernetes' own limit for objects is of this size. */
export const REQUEST_BODY_BYTES_MAX = 3 * 1024 * 1024;

/** One request, however it came in, from somebody known. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  readonly user: UserInfo;
  /** Aborts when the caller leaves or the server stops. */
  readonly signal: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Parts of a stream are sent at once each, and asked for only when the caller has taken the last one. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** A reader that takes nothing for a long time is waited for: somebody has halted a log, say. */
  readonly isPatient?: boolean;
  /**
   * Takes the caller's connection, and says all that is said on it from now on; `head` has come with the request. Only in answer
   * to a request that asks for another protocol.
   */
  readonly takeOver?: ((socket: Duplex, head: Buffer) => Promise<void>) | undefined;
}

export function jsonResponse(status: number, value: unknown, headers: Record<string, string> = {}): ApiResponse {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  return { status, headers: { "content-type": "application/json", ...headers }, body };
}
