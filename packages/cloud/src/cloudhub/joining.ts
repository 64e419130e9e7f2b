import { EventRecorder, type KubeClient } from "@kedge/kube-client";
import { type Clock, Component, type Logger, type Metrics } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { HttpsServer } from "./https-server.ts";
import type { CertificateAuthority, ServerNames } from "./pki/certificate-authority.ts";
import { type CertificateFiles, loadCa } from "./pki/cloud-certificates.ts";
import { ServerCertificate } from "./pki/server-certificate.ts";
import { TokenGate } from "./pki/token-gate.ts";
import { TokenKeeper } from "./pki/token-keeper.ts";
import { LockedOutNodes } from "./locked-out-nodes.ts";
import { RefusalEvents } from "./refusal-events.ts";

export interface JoiningConfig {
  readonly files: CertificateFiles;
  readonly names: ServerNames;
  readonly https: { readonly address: string; readonly port: number };
  readonly edgeCertificateDays: number;
  readonly tokenRefreshHours: number;
  /** Whether KubeEdge's token, one for all nodes, is kept and lets nodes join. */
  readonly sharedToken: boolean;
}

export interface JoiningDeps {
  readonly kube: KubeClient;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly isConnected: (node: string) => boolean;
  /** A node is to stay out from now on: its session must end. */
  readonly onLockedOut: (node: string) => void;
  /** New connections are to see this from now on. */
  readonly onIdentity: (tls: TlsIdentity) => void;
}

/** How nodes get in: CA, server certificate, join tokens, and port 10002; and what the cluster hears of who did not. */
export class Joining extends Component {
  readonly #config: JoiningConfig;
  readonly #deps: JoiningDeps;
  readonly #scope = new AsyncDisposableStack();
  readonly #events: RefusalEvents;
  readonly #ca: CertificateAuthority;
  #server: ServerCertificate | undefined;
  #https: HttpsServer | undefined;
  #lockedOut: LockedOutNodes | undefined;

  private constructor(config: JoiningConfig, deps: JoiningDeps, ca: CertificateAuthority) {
    super();
    this.#config = config;
    this.#deps = deps;
    this.#ca = ca;
    const { kube, clock, logger } = deps;
    const recorder = this.#scope.use(new EventRecorder(kube, { component: "cloudcore", logger, clock }));
    this.#events = new RefusalEvents(recorder, clock);
  }

  /** CA and server certificate are there then; nobody can join yet. @throws {PkiError} */
  static async start(config: JoiningConfig, deps: JoiningDeps, signal: AbortSignal): Promise<Joining> {
    await using scope = new AsyncDisposableStack();
    const { files, names } = config;
    const ca = await loadCa(files, deps, signal);
    const joining = scope.use(new Joining(config, deps, ca));
    const onChange = (tls: TlsIdentity) => {
      joining.#https?.replaceIdentity(tls);
      deps.onIdentity(tls);
    };
    joining.#lockedOut = joining.#scope.use(await LockedOutNodes.start(deps, deps.onLockedOut, signal));
    joining.#server = joining.#scope.use(
      await ServerCertificate.start({ ...files, names, ca, onChange }, deps, signal),
    );
    scope.move();
    return joining;
  }

  /** Opens port 10002. @throws if it is taken, or the shared token cannot be stored. */
  async listen(signal: AbortSignal): Promise<void> {
    const { kube, clock, logger, metrics, isConnected } = this.#deps;
    const { https, edgeCertificateDays, sharedToken, tokenRefreshHours } = this.#config;
    const ca = this.#ca;
    const tokens = new TokenGate({ ca, kube, clock, logger, sharedToken });
    const options = { host: https.address, port: https.port, tls: this.identity };
    const whyLockedOut = (node: string) => this.whyLockedOut(node);
    const issue = { ca, kube, clock, logger, edgeCertificateDays, isConnected, whyLockedOut };
    const deps = { ...issue, metrics, tokens, events: this.#events };
    this.#https = this.#scope.use(await HttpsServer.start(options, deps, signal));
    // Last: who finds a token can join at once.
    if (sharedToken) this.#scope.use(await TokenKeeper.start(tokenRefreshHours, { kube, clock, logger, ca }, signal));
    else await TokenKeeper.withdraw({ kube, logger }, signal);
  }

  get identity(): TlsIdentity {
    if (this.#server === undefined) throw new Error("there is no server certificate before the start");
    return this.#server.identity;
  }

  get caKey(): Buffer {
    return this.#ca.pair.key;
  }

  get port(): number {
    return this.#https?.port ?? 0;
  }

  /** @returns undefined: it may come in. */
  whyLockedOut(node: string): string | undefined {
    return this.#lockedOut?.why(node);
  }

  /** Tells in the cluster that a node with a certificate of ours was refused a session. */
  sessionRefused(node: string, address: string, message: string): void {
    this.#events.sessionRefused(node, address, message);
  }

  protected override async stop(): Promise<void> {
    await this.#scope.disposeAsync();
  }
}
