import { mkdir } from "node:fs/promises";
import { isIP, isIPv4 } from "node:net";
import { join } from "node:path";
import type { KubeTransport } from "@kedge/kube-client";
import { type Clock, Component, type Logger } from "@kedge/runtime";
import { Authenticator } from "./auth/authenticator.ts";
import { RbacAuthorizer } from "./auth/rbac-authorizer.ts";
import { ServiceAccountTokens } from "./auth/service-account-tokens.ts";
import { GROUP_AUTHENTICATED, GROUP_MASTERS, type UserInfo } from "./auth/user-info.ts";
import { kubernetesServiceAddress } from "./bootstrap-objects.ts";
import { bootstrapCluster } from "./bootstrap-cluster.ts";
import { answerWire } from "./http/answer-wire.ts";
import { SERVER_VERSION } from "./discovery/server-version.ts";
import { HttpsServer } from "./http/https-server.ts";
import { InProcessTransport } from "./http/in-process-transport.ts";
import { respond } from "./http/respond.ts";
import { CustomResources } from "./registry/custom-resources.ts";
import { metricsDefinitions } from "./metrics/metrics-definitions.ts";
import { NodeUsages } from "./metrics/node-usage.ts";
import { NodeConnector } from "./node-proxy/node-connector.ts";
import { OpenApiPublisher } from "./openapi/openapi-publisher.ts";
import { ResourceRegistry } from "./registry/resource-registry.ts";
import { builtinResources } from "./resources/builtin-resources.ts";
import type { ApiContext } from "./rest/api-context.ts";
import { reviewDefinitions } from "./rest/review-definitions.ts";
import { type CompactionConfig, COMPACTION_DEFAULTS, Compactor } from "./storage/compactor.ts";
import { EVENT_EXPIRY_DEFAULTS, EventExpiry, type EventExpiryConfig } from "./storage/event-expiry.ts";
import { RevisionLog } from "./storage/revision-log.ts";
import { CertificateAuthority } from "./tls/certificate-authority.ts";
import { CertificateRenewal } from "./tls/certificate-renewal.ts";
import { serverCertificate, SERVER_NAMES } from "./tls/server-certificate.ts";
import { writeAdminKubeconfig } from "./tls/admin-kubeconfig.ts";
import { WatchHub } from "./watch/watch-hub.ts";

export interface ApiServerConfig {
  /** Holds the database, keys and certificates; one server at a time. */
  readonly stateDir: string;
  /** Default: `admin.kubeconfig` in `stateDir`. */
  readonly kubeconfigPath?: string | undefined;
  /** To listen on. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Names and addresses under which others reach the server; the first goes into the kubeconfig. */
  readonly advertiseAddresses: readonly string[];
  /** Of Services; IPv4. Default `10.96.0.0/16`. */
  readonly serviceCidr?: string | undefined;
  readonly compaction?: Partial<CompactionConfig> | undefined;
  readonly eventExpiry?: Partial<EventExpiryConfig> | undefined;
  /** Who signs the certificates of nodes' kubelet endpoints (PEM); undefined: not known yet. Absent: no node is called. */
  readonly nodeAuthority?: (() => Promise<string | undefined>) | undefined;
}

export interface ApiServerDeps {
  readonly logger: Logger;
  readonly clock: Clock;
}

const SERVICE_CIDR = "10.96.0.0/16";

/** As whom the server calls nodes. */
const NODE_CLIENT = {
  commonName: "kube-apiserver-kubelet-client",
  organizations: [GROUP_MASTERS],
  usage: "client",
} as const;

/** The in-process clients': controllers, cloudcore. They are part of the server. */
const LOOPBACK_USER: UserInfo = { username: "system:apiserver", groups: [GROUP_MASTERS, GROUP_AUTHENTICATED] };

/** A Kubernetes-compatible API server on SQLite, for one machine. */
export class ApiServer extends Component {
  /** For clients on this machine. */
  readonly url: string;
  /** Of the authority that signed the server's certificate. */
  readonly caPem: string;
  readonly adminKubeconfigPath: string;
  readonly #context: ApiContext;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    { url, caPem, adminKubeconfigPath }: Pick<ApiServer, "url" | "caPem" | "adminKubeconfigPath">,
    context: ApiContext,
    parts: AsyncDisposableStack,
  ) {
    super();
    this.url = url;
    this.caPem = caPem;
    this.adminKubeconfigPath = adminKubeconfigPath;
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * @throws {DatabaseError} the state folder is in use, or damaged.
   * @throws {CertificateError} keys are missing.
   * @throws {ListenError} the port is taken.
   */
  static async start(
    config: ApiServerConfig,
    { logger, clock }: ApiServerDeps,
    signal: AbortSignal,
  ): Promise<ApiServer> {
    await using scope = new AsyncDisposableStack(); // on leaving this function, disposes what it still holds
    const { stateDir, serviceCidr = SERVICE_CIDR } = config;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const log = scope.use(RevisionLog.open(join(stateDir, "apiserver.db")));
    scope.use(new Compactor(log, { ...COMPACTION_DEFAULTS, ...config.compaction }, { clock, logger }));
    scope.use(new EventExpiry(log, { ...EVENT_EXPIRY_DEFAULTS, ...config.eventExpiry }, { clock, logger }));
    const pki = join(stateDir, "pki");
    const authority = await CertificateAuthority.open(pki, clock.now());
    const tokens = await ServiceAccountTokens.open(pki, log, clock);
    const registry = new ResourceRegistry([...builtinResources(), ...reviewDefinitions(), ...metricsDefinitions()]);
    const issueNodeClient = () => authority.issue(NODE_CLIENT, clock.now());
    let nodeClient = await issueNodeClient();
    const { nodeAuthority = () => Promise.resolve(undefined) } = config;
    const nodes = new NodeConnector({ client: () => nodeClient, authority: nodeAuthority });
    const context: ApiContext = {
      log,
      hub: scope.use(new WatchHub(log)),
      registry,
      openApi: new OpenApiPublisher(registry, SERVER_VERSION.gitVersion),
      authorizer: scope.use(new RbacAuthorizer(log)),
      tokens,
      nodes,
      usages: new NodeUsages(nodes, clock, logger),
      clock,
      logger,
      serviceCidr,
    };
    const customResources = scope.use(new CustomResources(context));
    const hosts = serverHosts(config, serviceCidr);
    const certificate = await serverCertificate(pki, authority, hosts, clock.now());
    const authenticator = new Authenticator(tokens, clock);
    await customResources.settled(); // before the first caller asks for one
    signal.throwIfAborted();
    const http = scope.use(
      await HttpsServer.start(
        { address: config.address, port: config.port, certificate, clientCaPem: authority.certPem },
        {
          logger,
          respond: (request) => answerWire(context, authenticator, request),
        },
      ),
    );
    const advertised = config.advertiseAddresses[0] ?? reachable(config.address);
    const url = `https://${advertised.includes(":") ? `[${advertised}]` : advertised}:${http.port}`;
    const adminKubeconfigPath = config.kubeconfigPath ?? join(stateDir, "admin.kubeconfig");
    const advertiseAddress =
      [advertised, ...config.advertiseAddresses].find((address) => isIPv4(address)) ?? "127.0.0.1";
    const { certPem: clientCaPem } = authority;
    await bootstrapCluster(context, LOOPBACK_USER, { serviceCidr, advertiseAddress, port: http.port, clientCaPem });
    await writeAdminKubeconfig(adminKubeconfigPath, url, authority, clock.now());
    const renew = async () => {
      nodeClient = await issueNodeClient();
      http.setCertificate(await serverCertificate(pki, authority, hosts, clock.now()));
      await writeAdminKubeconfig(adminKubeconfigPath, url, authority, clock.now());
    };
    scope.use(new CertificateRenewal(renew, { clock, logger }));
    signal.throwIfAborted();
    logger.info({ url, kubeconfig: adminKubeconfigPath }, "API server is ready");
    return new ApiServer({ url, caPem: authority.certPem, adminKubeconfigPath }, context, scope.move());
  }

  /** For clients in this process, as `user`; absent: as the server itself, which may do everything. */
  transportFor(user: UserInfo = LOOPBACK_USER): KubeTransport {
    return new InProcessTransport(user, (request) => respond(this.#context, request), this.signal);
  }

  /** {@link transportFor} the server itself. */
  get transport(): KubeTransport {
    return this.transportFor();
  }

  protected override async stop(): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Starts an {@link ApiServer}; dispose it to stop it. */
export function startApiServer(config: ApiServerConfig, deps: ApiServerDeps, signal: AbortSignal): Promise<ApiServer> {
  return ApiServer.start(config, deps, signal);
}

function serverHosts({ address, advertiseAddresses }: ApiServerConfig, serviceCidr: string): string[] {
  const hosts = ["127.0.0.1", kubernetesServiceAddress(serviceCidr), reachable(address), ...advertiseAddresses];
  return [...new Set([...SERVER_NAMES, ...hosts])];
}

/** Nobody can connect to "all addresses". */
function reachable(address: string): string {
  return isIP(address) !== 0 && /^[0:.]+$/.test(address) ? "127.0.0.1" : address;
}
