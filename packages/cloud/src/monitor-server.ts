import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Component, type Metrics, METRICS_CONTENT_TYPE, toError } from "@kedge/runtime";
import type { ReadyCheck } from "./cloudcore-readiness.ts";

const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;

type Probe = (signal: AbortSignal) => Promise<readonly ReadyCheck[]>;

/** Metrics and health for whoever looks after this process; listens on loopback by default, knows no secrets. */
export class MonitorServer extends Component {
  readonly #server: Server;

  private constructor(metrics: Metrics, probe: Probe) {
    super();
    this.#server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      const path = request.method === "GET" ? request.url?.split("?", 1)[0] : undefined;
      const plain = { "content-type": "text/plain; charset=utf-8" };
      if (path === "/metrics")
        response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE }).end(processMetrics() + metrics.render());
      else if (path === "/healthz" || path === "/livez") response.writeHead(200, plain).end("ok");
      else if (path === "/readyz")
        void this.#answerReady(probe, (status, text) => response.writeHead(status, plain).end(text));
      else response.writeHead(404, plain).end("not found");
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @param bindAddress `host:port`; port 0: any free one. @throws if it cannot be listened on. */
  static async start(bindAddress: string, metrics: Metrics, ready: Probe, signal: AbortSignal): Promise<MonitorServer> {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(new MonitorServer(metrics, ready));
    const colon = bindAddress.lastIndexOf(":");
    const host = bindAddress.slice(0, colon).replace(/^\[|\]$/g, "");
    server.#server.listen(Number(bindAddress.slice(colon + 1)), host);
    try {
      await once(server.#server, "listening", { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(
        `cannot listen on ${bindAddress} for metrics: ${toError(error).message}; free the port, or set commonConfig.monitorServer.bindAddress`,
        { cause: error },
      );
    }
    scope.move();
    return server;
  }

  /** Each check with what it found, as Kubernetes' own servers answer. */
  async #answerReady(probe: Probe, answer: (status: number, text: string) => void): Promise<void> {
    try {
      const checks = await probe(this.signal);
      const lines = checks.map(({ name, ok, detail }) => `${ok ? "[+]" : "[-]"}${name} ${detail}`);
      const ready = checks.every(({ ok }) => ok);
      answer(ready ? 200 : 503, [...lines, ready ? "ready" : "not ready", ""].join("\n"));
    } catch (error) {
      answer(503, `not ready: ${toError(error).message}\n`);
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

function processMetrics(): string {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return [
    "# TYPE process_resident_memory_bytes gauge",
    `process_resident_memory_bytes ${rss}`,
    "# TYPE nodejs_heap_used_bytes gauge",
    `nodejs_heap_used_bytes ${heapUsed}`,
    "# TYPE process_cpu_seconds_total counter",
    `process_cpu_seconds_total ${(user + system) / 1e6}`,
    "",
  ].join("\n");
}
