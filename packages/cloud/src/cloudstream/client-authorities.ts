import { readFile } from "node:fs/promises";
import { CONFIG_MAPS, type ConfigMap } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, type Clock, Component, isAbort, type Logger, toError } from "@kedge/runtime";

/** Where every API server publishes who signs its clients' certificates, for servers that it calls. */
const PUBLISHED = { namespace: "kube-system", name: "extension-apiserver-authentication", key: "client-ca-file" };
/** How often a configured file is looked at. */
const LOOK_MS = 60_000;

export interface ClientAuthoritiesDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Whose certificates say who calls a node's kubelet endpoint: the CA of the API server's clients, as the API server
 * publishes it; or, where it exists, a file (`tlsStreamCAFile`), for API servers that show nodes a certificate of another CA.
 */
export class ClientAuthorities extends Component {
  readonly #file: string;
  readonly #deps: ClientAuthoritiesDeps;
  readonly #onChange: (pem: string) => void;
  readonly #maps: Informer<ConfigMap>;
  #pem = "";
  #running: Promise<void> = Promise.resolve();

  private constructor(file: string, deps: ClientAuthoritiesDeps, onChange: (pem: string) => void) {
    super();
    this.#file = file;
    this.#deps = deps;
    this.#onChange = onChange;
    const { kube, clock, logger } = deps;
    const { namespace, name } = PUBLISHED;
    this.#maps = new Informer(kube, CONFIG_MAPS, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      clock,
      logger,
    });
  }

  /** @param onChange gets the certificates (PEM) that count from now on. @throws if `signal` aborts before they are read. */
  static async start(
    file: string,
    deps: ClientAuthoritiesDeps,
    onChange: (pem: string) => void,
    signal: AbortSignal,
  ): Promise<ClientAuthorities> {
    await using scope = new AsyncDisposableStack();
    const authorities = scope.use(new ClientAuthorities(file, deps, onChange));
    await abortable(authorities.#maps.synced, signal);
    authorities.#pem = await authorities.#read();
    if (authorities.#pem === "")
      deps.logger.warn(
        { file },
        "nobody can call nodes with a client certificate: ConfigMap kube-system/extension-apiserver-authentication has no client-ca-file, and modules.cloudStream.tlsStreamCAFile is not there",
      );
    authorities.#maps.onChange(() => void authorities.#look());
    authorities.#running = authorities.#run();
    scope.move();
    return authorities;
  }

  /** Certificates, as PEM; empty: none are known. */
  get pem(): string {
    return this.#pem;
  }

  async #run(): Promise<void> {
    while (!this.signal.aborted) {
      try {
        await this.#deps.clock.sleep(LOOK_MS, this.signal);
        await this.#look();
      } catch (error) {
        if (isAbort(error, this.signal)) return;
        this.#deps.logger.warn(
          { error: toError(error) },
          "the clients' CA could not be looked at; the present one stays",
        );
      }
    }
  }

  async #look(): Promise<void> {
    const pem = await this.#read();
    if (this.signal.aborted || pem === this.#pem || pem === "") return;
    this.#pem = pem;
    this.#onChange(pem);
    this.#deps.logger.info({}, "another CA says from now on who calls nodes");
  }

  async #read(): Promise<string> {
    const configured = this.#file === "" ? undefined : await readFile(this.#file, "utf8").catch(() => undefined);
    if (configured !== undefined) return configured;
    const { namespace, name, key } = PUBLISHED;
    return this.#maps.get({ namespace, name })?.data?.[key] ?? "";
  }

  protected override async stop(): Promise<void> {
    await this.#maps[Symbol.asyncDispose]();
    await this.#running;
  }
}
