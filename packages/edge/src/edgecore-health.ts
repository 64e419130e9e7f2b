import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Component, type Logger, toError } from "@kedge/runtime";
import type { AgentStatus } from "./edgecore-status.ts";

const CONNECTIONS_MAX = 16;
const REQUEST_MS = 10_000;

export interface HealthConfig {
  readonly address: string;
  /** 0: nobody is told. */
  readonly port: number;
}

/**
 * Tells on the host's loopback how the agent is: `/healthz`, `/readyz`, `/status`, `/metrics`, on the port where a kubelet
 * does. It knows no secrets, changes nothing, and its absence stops nothing.
 */
export class HealthServer extends Component {
  readonly #server: Server;
  readonly #status: AgentStatus;

  private constructor(status: AgentStatus) {
    super();
    this.#status = status;
    this.#server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      const path = request.method === "GET" ? (request.url?.split("?", 1)[0] ?? "") : "";
      this.#answer(path, response).catch((error: unknown) => send(response, 500, toError(error).message));
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** A port that is taken is worth a warning: the node's work goes before telling of it. */
  static async start({ address, port }: HealthConfig, status: AgentStatus, logger: Logger): Promise<HealthServer> {
    const health = new HealthServer(status);
    if (port === 0) return health;
    try {
      health.#server.listen(port, address);
      await once(health.#server, "listening");
      health.#server.unref();
    } catch (error) {
      logger.warn(
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

  async #answer(path: string, response: ServerResponse): Promise<void> {
    if (path === "/healthz" || path === "/livez") {
      const problem = this.#status.health();
      return send(response, problem === undefined ? 200 : 503, problem ?? "ok");
    }
    if (path !== "/readyz" && path !== "/status" && path !== "/metrics") return send(response, 404, "not found");
    const document = await this.#status.document();
    if (path === "/status") return send(response, 200, `${JSON.stringify(document)}\n`, "application/json");
    if (path === "/metrics") {
      const metrics = this.#metrics(document.queue) + (await this.#status.hubMetrics());
      return send(response, 200, metrics, "text/plain; version=0.0.4");
    }
    const lines = document.checks.map(({ name, ok, detail }) => `${ok ? "[+]" : "[-]"}${name} ${detail}`);
    send(response, document.ready ? 200 : 503, [...lines, document.ready ? "ready" : "not ready", ""].join("\n"));
  }

  #metrics(queue: { readonly messages: number; readonly bytes: number }): string {
    const { user, system } = process.cpuUsage();
    const series: readonly (readonly [name: string, type: "gauge" | "counter", value: number])[] = [
      ["kedge_edge_connected", "gauge", Number(this.#status.connected)],
      ["kedge_edge_outbox_messages", "gauge", queue.messages],
      ["kedge_edge_outbox_bytes", "gauge", queue.bytes],
      ["kedge_edge_connect_failures_total", "counter", this.#status.failures],
      ["process_resident_memory_bytes", "gauge", process.memoryUsage.rss()],
      ["process_cpu_seconds_total", "counter", (user + system) / 1e6],
    ];
    return series.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join("");
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

function send(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type }).end(body);
}
