import { HubError } from "./hub-error.ts";

/** What a join token says: how to know the cloud, and how the cloud knows us. */
export interface JoinToken {
  /** Lower-case hex SHA-256 of the CA certificate's DER. */
  readonly caHash: string;
  /** The bearer token for `/edge.crt`: a JWT. */
  readonly bearer: string;
  /** When it expires by its own word; `undefined` if it does not say. */
  readonly expiresMs: number | undefined;
}

const TOKEN_CHARS_MAX = 8192;
const FOUR_PARTS = /^([0-9a-f]{64})\.([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/** @throws {HubError} `TokenMalformed` @see `cloud-edge-protocol` §2.2 */
export function parseJoinToken(text: string): JoinToken {
  const [, caHash, head, claims, signature] = (text.length <= TOKEN_CHARS_MAX && FOUR_PARTS.exec(text.trim())) || [];
  if (caHash === undefined || head === undefined || claims === undefined || signature === undefined)
    throw new HubError(
      "the join token is malformed: copy it whole, four parts with dots between, as `keadm gettoken` prints it",
      { code: "TokenMalformed" },
    );
  return { caHash, bearer: `${head}.${claims}.${signature}`, expiresMs: expiryMs(claims) };
}

function expiryMs(claims: string): number | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined; // the server judges
  }
}
