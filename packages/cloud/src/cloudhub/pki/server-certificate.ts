import { SECRETS } from "@kedge/kube";
import { Informer } from "@kedge/kube-client";
import { Component, isAbort, toError, WakeUp } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { type CertificateAuthority, checkPair, type DerPair, type ServerNames } from "./certificate-authority.ts";
import type { CertificateDeps } from "./cloud-certificates.ts";
import { readPairFiles } from "./pair-files.ts";
import { derToPem } from "./pem.ts";
import { nextServerNames, whyReissue } from "./plan-server-certificate.ts";
import { createPair, KUBEEDGE_NAMESPACE, readPairSecret, savePair, SERVER_SECRET } from "./secrets.ts";

/** How often files and expiry are looked at; what happens to the Secret is heard of at once. */
const LOOK_MS = 60_000;

export interface ServerCertificateOptions {
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
  /** What it must name. */
  readonly names: ServerNames;
  readonly ca: CertificateAuthority;
  /** Called with each certificate that takes the place of the one before. */
  readonly onChange: (identity: TlsIdentity) => void;
}

/**
 * Cares for the certificate of our own servers: local files first, then the Secret, else made anew. One that we made is
 * made again before it expires, when it does not name us any more, and when somebody deletes it; open connections go on.
 */
export class ServerCertificate extends Component {
  readonly #options: ServerCertificateOptions;
  readonly #deps: CertificateDeps;
  readonly #wake = new WakeUp();
  #pair: DerPair | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: ServerCertificateOptions, deps: CertificateDeps) {
    super();
    this.#options = options;
    this.#deps = deps;
  }

  /** @throws {PkiError} for half a pair of files, or a key that does not fit. */
  static async start(
    options: ServerCertificateOptions,
    deps: CertificateDeps,
    signal: AbortSignal,
  ): Promise<ServerCertificate> {
    const server = new ServerCertificate(options, deps);
    server.#pair = await server.#load(signal);
    server.#running = server.#run();
    return server;
  }

  get identity(): TlsIdentity {
    const { ca } = this.#options;
    if (this.#pair === undefined) throw new Error("the server certificate is asked for before it is there");
    return {
      cert: derToPem("CERTIFICATE", this.#pair.certificate),
      key: derToPem("EC PRIVATE KEY", this.#pair.key),
      ca: ca.certificatePem,
    };
  }

  async #load(signal: AbortSignal): Promise<DerPair> {
    const { tlsCertFile, tlsPrivateKeyFile, ca, names } = this.#options;
    const { kube, clock, logger } = this.#deps;
    const local = await readPairFiles(tlsCertFile, tlsPrivateKeyFile);
    if (local !== undefined) {
      checkPair(local, `${tlsCertFile} and ${tlsPrivateKeyFile}`);
      if (!isSame(local, this.#pair)) await savePair(SERVER_SECRET, local, kube, signal);
      return local;
    }
    const stored = await readPairSecret(SERVER_SECRET, kube, signal);
    const reason = stored === undefined ? "there was none" : whyReissue(stored, ca, names, clock.now());
    if (stored !== undefined && reason === undefined) return stored;
    const next = nextServerNames(stored, names);
    const issued = ca.issueServer(next, clock.now());
    logger.info({ reason, ...next }, "made a new server certificate");
    // Another instance may make one in this very moment: where there was none, the first that is stored is it.
    if (stored !== undefined) await savePair(SERVER_SECRET, issued, kube, signal);
    else if (!(await createPair(SERVER_SECRET, issued, kube, signal))) return this.#load(signal);
    return issued;
  }

  async #run(): Promise<void> {
    const { kube, clock, logger } = this.#deps;
    const fieldSelector = `metadata.name=${SERVER_SECRET.name}`;
    await using secret = new Informer(kube, SECRETS, {
      namespace: KUBEEDGE_NAMESPACE,
      fieldSelector,
      metadataOnly: true, // that it changed is enough
      logger,
      clock,
    });
    using _ = secret.onChange(() => this.#wake.wake());
    while (!this.signal.aborted) {
      try {
        await this.#wake.waitOr(LOOK_MS, clock, this.signal);
        await this.#look();
      } catch (error) {
        if (isAbort(error, this.signal)) return;
        logger.warn(
          { error: toError(error) },
          "the server certificate could not be looked after; the present one stays",
        );
      }
    }
  }

  async #look(): Promise<void> {
    const found = await this.#load(this.signal);
    if (isSame(found, this.#pair)) return;
    this.#pair = found;
    this.#options.onChange(this.identity);
    this.#deps.logger.info({}, "new connections see another server certificate from now on");
  }

  protected override async stop(): Promise<void> {
    await this.#running;
  }
}

function isSame(one: DerPair, other: DerPair | undefined): boolean {
  return other !== undefined && one.certificate.equals(other.certificate) && one.key.equals(other.key);
}
