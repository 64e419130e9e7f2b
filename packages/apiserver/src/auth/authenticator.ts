import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Clock } from "@kedge/runtime";
import { unauthorized } from "../rest/status-error.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import { GROUP_AUTHENTICATED, type UserInfo } from "./user-info.ts";

/** What callers without credentials are; only routes for anybody see them. */
export const ANONYMOUS: UserInfo = { username: "system:anonymous", groups: ["system:unauthenticated"] };

/** Finds out who asks: by a client certificate of our authority, or by a service account's token. */
export class Authenticator {
  readonly #tokens: ServiceAccountTokens;
  readonly #byCertificate = new WeakMap<TLSSocket, UserInfo>();

  readonly #clock: Clock;

  constructor(tokens: ServiceAccountTokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /**
   * @returns undefined: no credentials at all.
   * @throws KubeApiError `Unauthorized`: credentials that are not good.
   */
  async authenticate(socket: TLSSocket, authorization: string | undefined): Promise<UserInfo | undefined> {
    const byCertificate = this.#fromCertificate(socket);
    if (byCertificate !== undefined) return byCertificate;
    if (authorization === undefined) {
      if (hasCertificate(socket)) throw unauthorized(); // one that we did not sign, or that has ended
      return undefined;
    }
    const token = /^bearer +(\S+)\s*$/i.exec(authorization)?.[1];
    const verified = token === undefined ? undefined : await this.#tokens.verify(token);
    if (verified === undefined) throw unauthorized();
    return verified.user;
  }

  #fromCertificate(socket: TLSSocket): UserInfo | undefined {
    if (!socket.authorized) return undefined;
    const known = this.#byCertificate.get(socket);
    if (known !== undefined) {
      // A connection may outlive the certificate that opened it.
      if (!this.#ended(socket.getPeerCertificate())) return known;
      this.#byCertificate.delete(socket);
      throw unauthorized();
    }
    const certificate = socket.getPeerCertificate();
    const username = [certificate.subject?.CN ?? []].flat()[0] ?? "";
    if (username === "" || this.#ended(certificate)) return undefined;
    const organizations = [certificate.subject.O ?? []].flat();
    const user = { username, groups: [...new Set([...organizations, GROUP_AUTHENTICATED])] };
    this.#byCertificate.set(socket, user);
    return user;
  }

  #ended({ valid_to }: PeerCertificate): boolean {
    return Date.parse(valid_to) < this.#clock.now();
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate() as object).length > 0;
}
