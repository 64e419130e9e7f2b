import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";

const TOKEN_BYTES = 32;
/** Shorter ones are no token of ours. */
const TOKEN_CHARS_MIN = 32;

/** Who can read a file of root's may see into the node's containers, and start commands in them. */
export class EndpointToken {
  readonly path: string;
  readonly #digest: Buffer;

  private constructor(path: string, token: string) {
    this.path = path;
    this.#digest = digest(token);
  }

  /** Reads the token, or makes one that only this user can read. @throws when the file can be neither read nor written. */
  static open(path: string): EndpointToken {
    try {
      const token = readFileSync(path, "utf8").trim();
      if (token.length >= TOKEN_CHARS_MIN) {
        chmodSync(path, 0o600);
        return new EndpointToken(path, token);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    writeFileSync(path, `${token}\n`, { mode: 0o600 });
    chmodSync(path, 0o600); // also where a file was there before
    return new EndpointToken(path, token);
  }

  /** @param authorization the header's value. */
  allows(authorization: string | undefined): boolean {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    return token !== undefined && timingSafeEqual(digest(token), this.#digest);
  }
}

/** Of one length, so that comparing takes one time. */
function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
