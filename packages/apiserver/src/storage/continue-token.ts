/** Where a paged list goes on: after which key, and in the state of which revision. */
export interface ContinueToken {
  readonly revision: number;
  readonly startAfter: string;
}

/** Of a continue token; nothing longer is one of ours. */
const TOKEN_CHARS_MAX = 2048;

export function encodeContinueToken({ revision, startAfter }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "kedge/v1", rv: revision, start: startAfter })).toString("base64url");
}

/** @returns undefined if this is no token of ours. */
export function decodeContinueToken(token: string): ContinueToken | undefined {
  if (token.length > TOKEN_CHARS_MAX) return undefined;
  try {
    const fields = JSON.parse(Buffer.from(token, "base64url").toString()) as Record<string, unknown> | null;
    const { v, rv, start } = fields ?? {};
    if (v !== "kedge/v1" || typeof start !== "string") return undefined;
    if (typeof rv !== "number" || !Number.isSafeInteger(rv) || rv <= 0) return undefined;
    return { revision: rv, startAfter: start };
  } catch {
    return undefined;
  }
}
