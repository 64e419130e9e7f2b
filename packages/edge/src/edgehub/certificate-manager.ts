import { readFileSync } from "node:fs";
import { Backoff, type Clock, isRetryable, type Logger, toError } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { loadIdentity, type StoredIdentity } from "./certificate-files.ts";
import { HubError } from "./hub-error.ts";
import type { CertificateServer } from "./obtain-certificate.ts";

export interface CertificateConfig extends CertificateServer {
  /** From the configuration file; used if there is no {@link bootstrapFile}. */
  readonly token: string;
  /** Where `keadm join` leaves the token. */
  readonly bootstrapFile: string;
  readonly rotate: boolean;
}

export interface CertificateDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Whether this host's database knows the node: then it was here before, and may join again. */
  readonly isKnownNode: () => Promise<boolean>;
  /** The token has served and can be forgotten. */
  readonly onTokenUsed?: (() => void) | undefined;
}

/** Share of a certificate's lifetime after which we ask for the next, drawn anew each time so that nodes spread out. */
const ROTATE_SHARE_MIN = 0.7;
const ROTATE_SHARE_MAX = 0.9;
/** A cloud that will not renew an expired certificate is asked again after this long. */
const RENEW_EXPIRED_INTERVAL_MS = 10 * 60 * 1000;
/** Long timers overflow and do not see clock changes. */
const CHECK_MS_MAX = 60 * 60 * 1000;

/** This node's certificate: obtained with a token once, then renewed with itself. */
export class CertificateManager {
  readonly #config: CertificateConfig;
  readonly #deps: CertificateDeps;
  #saidJoining = false;
  #rejected = false;
  #renewNotBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(config: CertificateConfig, deps: CertificateDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Whether the files hold a pair for this node, be it expired. */
  get present(): boolean {
    return this.#load().state === "usable";
  }

  /**
   * The certificate to connect with now, joining with the token if there is none that could serve.
   *
   * @throws {HubError} with the one cause and the one thing to do.
   */
  async identity(signal: AbortSignal): Promise<TlsIdentity> {
    const stored = this.#load();
    const now = this.#deps.clock.now();
    const rejected = this.#rejected;
    this.#rejected = false;
    if (stored.state === "usable" && now < stored.notAfterMs)
      return (rejected ? await this.#renewExpired(stored, signal) : undefined) ?? stored.identity;
    const token = this.#token();
    if (token === "") {
      if (stored.state !== "usable") throw this.#noCertificate(stored);
      const renewed = await this.#renewExpired(stored, signal);
      if (renewed !== undefined) return renewed;
      // Perhaps our clock is wrong; the server judges by its own (W12).
      this.#deps.logger.warn(
        { notAfter: new Date(stored.notAfterMs).toISOString() },
        "this node's certificate has expired by our clock and there is no join token: set the clock, or set edgeHub.token to a new token from `keadm gettoken`",
      );
      return stored.identity;
    }
    if (!this.#saidJoining)
      this.#deps.logger.info({ server: this.#config.httpServer, why: reasonOf(stored) }, "joining with the token");
    this.#saidJoining = true; // once: what comes of each try, the failure says
    const { joinWithToken, nodeExists } = await import("./obtain-certificate.ts"); // needed once in a node's life
    try {
      await joinWithToken(this.#config, token, signal);
    } catch (error) {
      // An old token beside a certificate that only our clock calls expired: the certificate may serve yet.
      if (stored.state !== "usable" || isRetryable(error)) throw error;
      const renewed = await this.#renewExpired(stored, signal);
      if (renewed !== undefined) return renewed;
      this.#deps.logger.error({ error: toError(error) }, "cannot join anew; trying the present certificate");
      return stored.identity;
    }
    const joined = this.#load();
    if (joined.state !== "usable")
      throw new HubError(`the certificate that the cloud issued cannot be used: ${reasonOf(joined)}`, {
        code: "BadCertificate",
        reason: reasonOf(joined),
      });
    this.#saidJoining = false;
    this.#deps.logger.info({ notAfter: new Date(joined.notAfterMs).toISOString() }, "certificate obtained");
    this.#deps.onTokenUsed?.();
    if (!(await this.#deps.isKnownNode()) && (await nodeExists(this.#config, joined.identity, signal)) === true)
      this.#deps.logger.warn(
        { nodeName: this.#config.nodeName },
        `the cluster has a node ${this.#config.nodeName} already: if it is another host, give one of them another hostnameOverride`,
      );
    return joined.identity;
  }

  /** The cloud does not take our certificate: by its clock it may be over. The next {@link identity} tries to renew it. */
  rejected(): void {
    this.#rejected = true;
  }

  /** With proof of the key of the one that is over. @returns undefined if the cloud will not have it. */
  async #renewExpired(
    { identity }: Extract<StoredIdentity, { state: "usable" }>,
    signal: AbortSignal,
  ): Promise<TlsIdentity | undefined> {
    const { clock, logger } = this.#deps;
    if (clock.monotonic() < this.#renewNotBeforeMs) return undefined;
    const { renewExpired } = await import("./obtain-certificate.ts");
    try {
      await renewExpired(this.#config, identity, signal);
    } catch (error) {
      signal.throwIfAborted();
      // A stock cloud never will; that it does not answer may change any moment.
      if (!isRetryable(error)) this.#renewNotBeforeMs = clock.monotonic() + RENEW_EXPIRED_INTERVAL_MS;
      logger.info({ error: toError(error) }, "the certificate was not renewed with proof of its key");
      return undefined;
    }
    const renewed = this.#load();
    if (renewed.state !== "usable") return undefined;
    const notAfter = new Date(renewed.notAfterMs).toISOString();
    logger.info({ notAfter }, "certificate renewed with proof of its key");
    return renewed.identity;
  }

  /** Renews the certificate in time, for as long as `signal` lets it; `onRotated` after each renewal. */
  async rotate(onRotated: () => void, signal: AbortSignal): Promise<void> {
    if (!this.#config.rotate) return;
    const { clock, logger } = this.#deps;
    const share = ROTATE_SHARE_MIN + Math.random() * (ROTATE_SHARE_MAX - ROTATE_SHARE_MIN);
    const backoff = new Backoff({ initialMs: 2_000, maxMs: 32_000, jitter: 0.1 });
    for (;;) {
      const stored = this.#load();
      const waitMs = this.#untilRotation(stored, share);
      if (stored.state !== "usable" || waitMs > 0) {
        await clock.sleep(Math.min(waitMs, CHECK_MS_MAX), signal);
        continue;
      }
      try {
        const { renewCertificate } = await import("./obtain-certificate.ts");
        await renewCertificate(this.#config, stored.identity, signal);
        backoff.reset();
        logger.info({}, "certificate renewed");
        onRotated();
      } catch (error) {
        signal.throwIfAborted();
        const retryMs = backoff.next();
        logger.error({ error: toError(error), retryMs }, "certificate not renewed");
        await clock.sleep(retryMs, signal);
      }
    }
  }

  #untilRotation(stored: StoredIdentity, share: number): number {
    const now = this.#deps.clock.now();
    if (stored.state !== "usable") return CHECK_MS_MAX;
    if (now >= stored.notAfterMs && this.#token() !== "") return CHECK_MS_MAX; // connecting joins anew
    return stored.notBeforeMs + share * (stored.notAfterMs - stored.notBeforeMs) - now;
  }

  #load(): StoredIdentity {
    return loadIdentity(this.#config.paths, this.#config.nodeName);
  }

  /** Read at each try: an operator may put a new token in place while we wait. */
  #token(): string {
    try {
      return readFileSync(this.#config.bootstrapFile, "utf8").trim();
    } catch {
      return this.#config.token.trim();
    }
  }

  #noCertificate(stored: Exclude<StoredIdentity, { state: "usable" }>): HubError {
    const { certFile } = this.#config.paths;
    return new HubError(
      `this node has no certificate (${reasonOf(stored)}) and no join token: set edgeHub.token to a token from \`keadm gettoken\``,
      { code: "NoCertificate", certFile },
    );
  }
}

function reasonOf(stored: StoredIdentity): string {
  switch (stored.state) {
    case "usable":
      return `the certificate expired at ${new Date(stored.notAfterMs).toISOString()}`;
    case "wrongNode":
      return `the certificate is for "${stored.commonName}"`;
    default:
      return stored.reason;
  }
}
