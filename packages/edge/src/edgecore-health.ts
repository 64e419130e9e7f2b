import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Component, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "./edge-messages.ts";
import type { AgentStatus } from "./edgecore-status.ts";
import { EndpointToken } from "./edged/server/endpoint-token.ts";
import type { KubeletHttp } from "./edged/server/kubelet-http.ts";
import { answer, type KubeletAnswer, type KubeletRequest, metricsAnswer } from "./edged/server/kubelet-request.ts";

/** Processes of this host, and streams that they have open. */
const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;

export interface HealthConfig {
  readonly address: string;
  /** 0: nobody is told. */
  readonly port: number;
  /** Holds what a process must show to see into pods; made if it is not there. */
  readonly tokenFile: string;
}

export interface HealthDeps {
  readonly status: AgentStatus;
  readonly bus: EdgeBus;
  readonly logger: Logger;
}

/**
 * The agent on the host's loopback, on the port where a kubelet is: `/healthz`, `/readyz`, `/status`, `/metrics` tell how it
 * is, know no secrets and are open to all; what else a kubelet serves, Edged answers to whoever shows the node's token. Its
 * absence stops nothing.
 */
export class HealthServer extends Component {
  readonly #server: Server;
  readonly #deps: HealthDeps;
  readonly #config: HealthConfig;
  #kubelet: Promise<KubeletHttp> | undefined;
  #token: EndpointToken | undefined;

  private constructor(config: HealthConfig, deps: HealthDeps) {
    super();
    this.#deps = deps;
    this.#config = config;
    this.#server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      request.resume(); // no body is of interest
      this.#loadKubelet()
        .then((kubelet) => kubelet.serve(request, response))
        .catch((error: unknown) => response.destroy(toError(error)));
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#loadKubelet()
        .then((kubelet) => kubelet.serveUpgrade(request, socket, head))
        .catch(() => socket.destroy());
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** A port that is taken is worth a warning: the node's work goes before telling of it. */
  static async start(config: HealthConfig, deps: HealthDeps): Promise<HealthServer> {
    const health = new HealthServer(config, deps);
    const { address, port } = config;
    if (port === 0) return health;
    health.#openToken();
    try {
      health.#server.listen(port, address);
      await once(health.#server, "listening");
      health.#server.unref();
    } catch (error) {
      deps.logger.warn(
        { address, port, cause: toError(error).message },
        `cannot listen on ${address}:${port}, so /healthz and /status are not served: free the port, or set modules.edged.tailoredKubeletConfig.readOnlyPort`,
      );
    }
    return health;
  }

  /** The port in use; 0: none. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Answers a request that somebody has let in. Refusals are answers, too. */
  async answer(request: KubeletRequest): Promise<KubeletAnswer> {
    const { status, bus } = this.#deps;
    const { path, method } = request;
    if (method === "GET" && (path === "/healthz" || path === "/livez")) {
      const problem = status.health();
      return answer(problem === undefined ? 200 : 503, problem ?? "ok");
    }
    if (method === "GET" && (path === "/readyz" || path === "/status" || path === "/metrics")) return this.#tell(path);
    if (!bus.answers("edged/kubelet")) return answer(503, "pods are not looked after: Edged is off, or not up yet\n");
    return bus.request("edged/kubelet", request, request.signal);
  }

  async #tell(path: "/readyz" | "/status" | "/metrics"): Promise<KubeletAnswer> {
    const { status } = this.#deps;
    const document = await status.document();
    if (path === "/status") return answer(200, `${JSON.stringify(document)}\n`, "application/json");
    if (path === "/metrics") return metricsAnswer(this.#metrics(document.queue) + (await status.hubMetrics()));
    const lines = document.checks.map(({ name, ok, detail }) => `${ok ? "[+]" : "[-]"}${name} ${detail}`);
    return answer(document.ready ? 200 : 503, [...lines, document.ready ? "ready" : "not ready", ""].join("\n"));
  }

  /** With the first request: a node that nobody asks pays nothing for it. */
  #loadKubelet(): Promise<KubeletHttp> {
    const load = async () => {
      const { KubeletHttp: Http } = await import("./edged/server/kubelet-http.ts");
      return new Http((request) => this.answer(request), this.#token);
    };
    return (this.#kubelet ??= load());
  }

  #openToken(): void {
    const { tokenFile } = this.#config;
    try {
      this.#token = EndpointToken.open(tokenFile);
    } catch (error) {
      this.#deps.logger.warn(
        { tokenFile, cause: toError(error).message },
        "no token for the kubelet endpoint: processes of this host get /healthz, /status and /metrics alone",
      );
    }
  }

  #metrics(queue: { readonly messages: number; readonly bytes: number }): string {
    const { user, system } = process.cpuUsage();
    const series: readonly (readonly [name: string, type: "gauge" | "counter", value: number])[] = [
      ["kedge_edge_connected", "gauge", Number(this.#deps.status.connected)],
      ["kedge_edge_outbox_messages", "gauge", queue.messages],
      ["kedge_edge_outbox_bytes", "gauge", queue.bytes],
      ["kedge_edge_connect_failures_total", "counter", this.#deps.status.failures],
      ["process_resident_memory_bytes", "gauge", process.memoryUsage.rss()],
      ["process_cpu_seconds_total", "counter", (user + system) / 1e6],
    ];
    return series.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join("");
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    (await this.#kubelet)?.[Symbol.dispose]();
    await closed;
  }
}
