import { readFile } from "node:fs/promises";
import { type Clock, systemClock, toError } from "@kedge/runtime";
import { KubeClientError } from "../kube-client-error.ts";
import type { Credential, CredentialSource } from "../transport/credentials.ts";

/** Mounted tokens are renewed while we run; this often we look. */
const TOKEN_FILE_KEPT_MS = 60_000;

/** A bearer token in a file that others renew. @param base what else is shown, such as a client certificate. */
export function tokenFileCredentials(
  path: string,
  base: Credential = {},
  clock: Clock = systemClock,
): CredentialSource {
  let cached: { readonly credential: Credential; readonly readAt: number } | undefined;
  return {
    async get(signal) {
      if (cached !== undefined && clock.monotonic() - cached.readAt < TOKEN_FILE_KEPT_MS) return cached.credential;
      try {
        const bearerToken = (await readFile(path, { encoding: "utf8", signal })).trim();
        if (bearerToken === "") throw new Error("the file is empty");
        cached = { credential: { ...base, bearerToken }, readAt: clock.monotonic() };
        return cached.credential;
      } catch (cause) {
        signal.throwIfAborted();
        if (cached !== undefined) return cached.credential; // it may be in the middle of being replaced
        throw new KubeClientError(
          `cannot read the token in ${path}: ${toError(cause).message}`,
          { code: "CredentialUnavailable", source: path },
          { cause },
        );
      }
    },
    invalidate() {
      if (cached !== undefined) cached = { ...cached, readAt: -Infinity };
    },
  };
}
