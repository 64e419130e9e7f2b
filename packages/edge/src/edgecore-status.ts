import { existsSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { EdgeCoreConfig } from "@kedge/api";
import { type CodedError, hasCode, toError } from "@kedge/runtime";
import type { EdgeBus } from "./edge-messages.ts";
import { type CertificatePaths, loadIdentity } from "./edgehub/certificate-files.ts";

/** A failure to join or to connect: the last one, and how often in a row it was the same. */
interface LastError {
  readonly at: string;
  readonly firstAt: string;
  readonly count: number;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

export interface AgentCheck {
  readonly name: "certificate" | "cloud" | "node" | "runtime" | "staticPods" | "tunnel" | "database";
  readonly ok: boolean;
  readonly detail: string;
}

/** What the agent says of itself; docs/TROUBLESHOOTING.md is its contract. */
export interface AgentStatusDocument {
  readonly program: "edgecore";
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly node: string;
  /** Whose answer this is where a host has several agents. */
  readonly database: string;
  readonly state: "joining" | "connecting" | "connected" | "offline" | "failed";
  readonly joined: boolean;
  readonly connected: boolean;
  readonly connectedSince?: string | undefined;
  readonly registered: boolean;
  readonly ready: boolean;
  readonly lastError?: LastError | undefined;
  readonly queue: { readonly messages: number; readonly bytes: number };
  readonly checks: readonly AgentCheck[];
}

const RUNTIME_ANSWER_MS = 2_000;
/** Bad files of static pods that a status names; the log has all. */
const PROBLEMS_SHOWN_MAX = 5;

/** Where an agent that gave up leaves its last words. */
export function failureFile(dataSource: string): string {
  return join(dirname(dataSource), "edgecore-status.json");
}

/** Follows what happens to this node's connection, and puts together how the agent is when somebody asks. */
export class AgentStatus implements Disposable {
  readonly #config: EdgeCoreConfig;
  readonly #version: string;
  readonly #startedMs = Date.now();
  readonly #bus: EdgeBus;
  readonly #listeners: readonly Disposable[];
  #db: DatabaseSync | undefined;
  #connectedMs: number | undefined;
  #lastError: LastError | undefined;
  #failures = 0;

  constructor(config: EdgeCoreConfig, version: string, bus: EdgeBus) {
    this.#config = config;
    this.#version = version;
    this.#bus = bus;
    this.#listeners = [
      bus.listen("hub/connection", ({ connected }) => void (this.#connectedMs = connected ? Date.now() : undefined)),
      bus.listen("hub/failure", (failure) => this.#note(failure)),
    ];
  }

  /** The database is open: an earlier agent's last words are history. */
  begin(db: DatabaseSync): void {
    this.#db = db;
    rmSync(failureFile(this.#config.database.dataSource), { force: true });
  }

  get connected(): boolean {
    return this.#connectedMs !== undefined;
  }

  /** Failures to join or to connect in this run. */
  get failures(): number {
    return this.#failures;
  }

  /** What EdgeHub counts, as Prometheus' text; nothing if it does not run. */
  async hubMetrics(): Promise<string> {
    if (!this.#bus.answers("hub/metrics")) return "";
    return this.#bus.request("hub/metrics", {}, AbortSignal.timeout(RUNTIME_ANSWER_MS));
  }

  /** Leaves the last words of an agent that gives up, for whoever waits for it. Never throws. */
  leave(error: Error): void {
    // Then the folder is another agent's, which runs.
    if (hasCode(error, "DatabaseInUse")) return;
    try {
      const { code } = error as Partial<CodedError>;
      if (this.#lastError?.message !== error.message)
        this.#note({ code: typeof code === "string" ? code : "Failed", message: error.message, fix: "" });
      const document = { ...this.#facts(), state: "failed", registered: false, ready: false, checks: [] };
      const file = failureFile(this.#config.database.dataSource);
      if (existsSync(dirname(file))) writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600 });
    } catch {
      // A full disk, perhaps; the error itself is told on standard error.
    }
  }

  /** Whether the agent's parts live; an error message if not. */
  health(): string | undefined {
    try {
      this.#db?.prepare("SELECT count(*) FROM sqlite_schema").get();
    } catch (error) {
      return `the database does not answer: ${toError(error).message}`;
    }
    return undefined;
  }

  async document(): Promise<AgentStatusDocument> {
    const checks = await this.#checks();
    const registered = checks.find(({ name }) => name === "node")?.ok ?? false;
    return { ...this.#facts(), registered, ready: checks.every(({ ok }) => ok), checks };
  }

  #facts() {
    const { edged, edgeHub } = this.#config.modules;
    const node = edged.hostnameOverride;
    const joined = edgeHub.enable && loadIdentity(this.#paths, node).state === "usable";
    const connectedMs = this.#connectedMs;
    const state: AgentStatusDocument["state"] =
      connectedMs !== undefined
        ? "connected"
        : edgeHub.enable && !joined
          ? "joining"
          : this.#storedNode() !== undefined || !edgeHub.enable
            ? "offline"
            : "connecting";
    return {
      program: "edgecore" as const,
      version: this.#version,
      pid: process.pid,
      startedAt: new Date(this.#startedMs).toISOString(),
      node,
      database: this.#config.database.dataSource,
      state,
      joined,
      connected: connectedMs !== undefined,
      connectedSince: connectedMs === undefined ? undefined : new Date(connectedMs).toISOString(),
      lastError: this.#lastError,
      queue: this.#queue(),
    };
  }

  async #checks(): Promise<AgentCheck[]> {
    const { edged, edgeHub } = this.#config.modules;
    const problem = this.health();
    return [
      ...(edgeHub.enable ? [this.#checkCertificate(), this.#checkCloud()] : []),
      ...(edged.enable ? [this.#checkNode(), await this.#checkRuntime(), ...(await this.#checkStaticPods())] : []),
      ...(await this.#checkTunnel()),
      { name: "database", ok: problem === undefined, detail: problem ?? this.#config.database.dataSource },
    ];
  }

  #checkCertificate(): AgentCheck {
    const stored = loadIdentity(this.#paths, this.#config.modules.edged.hostnameOverride);
    const name = "certificate";
    if (stored.state === "wrongNode")
      return { name, ok: false, detail: `the certificate is for "${stored.commonName}": join again with a token` };
    if (stored.state !== "usable") return { name, ok: false, detail: `not joined: ${stored.reason}` };
    const until = new Date(stored.notAfterMs).toISOString();
    if (stored.notAfterMs <= Date.now()) return { name, ok: false, detail: `expired at ${until} by this host's clock` };
    return { name, ok: true, detail: `valid until ${until}` };
  }

  #checkCloud(): AgentCheck {
    const server = this.#config.modules.edgeHub.websocket.server;
    const name = "cloud";
    if (this.connected) return { name, ok: true, detail: `connected to ${server}` };
    const why = this.#lastError?.message ?? `not connected to ${server} yet`;
    if (this.#storedNode() === undefined) return { name, ok: false, detail: why };
    return { name, ok: true, detail: `offline, the node works from its database: ${why}` };
  }

  /** While connected, only a report of this run shows that the cluster has the node. */
  #checkNode(): AgentCheck {
    const name = "node";
    const stored = this.#storedNode();
    if (stored === undefined) return { name, ok: false, detail: "the cluster has not confirmed this node yet" };
    const ready = stored.status?.conditions?.find(({ type }) => type === "Ready");
    const reportedMs = Date.parse(ready?.lastHeartbeatTime ?? "") || 0;
    if (this.connected && reportedMs < Math.floor(this.#startedMs / 1000) * 1000)
      return { name, ok: false, detail: "the cluster has not taken a report of this run yet" };
    return { name, ok: true, detail: `registered; Ready=${ready?.status ?? "Unknown"}` };
  }

  async #checkRuntime(): Promise<AgentCheck> {
    const { containerRuntimeEndpoint: endpoint } = this.#config.modules.edged.tailoredKubeletConfig;
    const why = await whyNoAnswer(endpoint.replace(/^unix:(\/\/)?/, ""));
    const detail = why === undefined ? endpoint : `${endpoint} does not answer (${why}): start containerd`;
    return { name: "runtime", ok: why === undefined, detail };
  }

  /** A bad file is worth telling, and stops nothing: the node works without it. */
  async #checkStaticPods(): Promise<AgentCheck[]> {
    if (!this.#bus.answers("edged/staticPods")) return [];
    const { pods, problems } = await this.#bus.request("edged/staticPods", {}, AbortSignal.timeout(RUNTIME_ANSWER_MS));
    if (pods + problems.length === 0) return [];
    const told = problems
      .slice(0, PROBLEMS_SHOWN_MAX)
      .map(({ path, message }) => `; not run as it is: ${path}: ${message}`);
    const more = problems.length > told.length ? `; ${problems.length - told.length} more` : "";
    return [{ name: "staticPods", ok: true, detail: `${pods} from files${told.join("")}${more}` }];
  }

  /** Without it nobody sees into the node from the cloud; the node works all the same. */
  async #checkTunnel(): Promise<AgentCheck[]> {
    if (!this.#bus.answers("edgestream/status")) return [];
    const { server } = this.#config.modules.edgeStream;
    const tunnel = await this.#bus.request("edgestream/status", {}, AbortSignal.timeout(RUNTIME_ANSWER_MS));
    const peer = tunnel.agreed ? "" : ", to a stock cloud";
    const detail = tunnel.open
      ? `open to ${server}${peer}; ${tunnel.sessions} streams`
      : `no kubectl logs, exec or top: ${tunnel.problem ?? `not open to ${server} yet`}`;
    return [{ name: "tunnel", ok: true, detail }];
  }

  #storedNode(): StoredNode | undefined {
    const name = this.#config.modules.edged.hostnameOverride;
    try {
      const row = this.#db?.prepare("SELECT value FROM meta WHERE type = 'node' AND json_valid(value)").all();
      const nodes = (row ?? []).map(({ value }) => JSON.parse(String(value)) as StoredNode);
      return nodes.find(({ metadata }) => metadata?.name === name);
    } catch {
      return undefined; // no such table: MetaManager is off, or has not begun
    }
  }

  #queue(): AgentStatusDocument["queue"] {
    try {
      const row = this.#db?.prepare("SELECT count(*) AS messages, sum(bytes) AS bytes FROM kedge_outbox").get();
      return { messages: Number(row?.["messages"] ?? 0), bytes: Number(row?.["bytes"] ?? 0) };
    } catch {
      return { messages: 0, bytes: 0 }; // EdgeHub has not made it yet
    }
  }

  get #paths(): CertificatePaths {
    const { tlsCaFile, tlsCertFile, tlsPrivateKeyFile } = this.#config.modules.edgeHub;
    return { caFile: tlsCaFile, certFile: tlsCertFile, keyFile: tlsPrivateKeyFile };
  }

  #note({ code, message, fix }: { code: string; message: string; fix: string }): void {
    const at = new Date().toISOString();
    const before = this.#lastError?.message === message ? this.#lastError : undefined;
    this.#lastError = { at, firstAt: before?.firstAt ?? at, count: (before?.count ?? 0) + 1, code, message, fix };
    this.#failures += 1;
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#db = undefined;
  }
}

interface StoredNode {
  readonly metadata?: { readonly name?: string };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime?: string;
    }[];
  };
}

/** Why nobody accepts connections on this Unix socket; `undefined`: somebody does. */
function whyNoAnswer(socket: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    const end = (why: string | undefined) => {
      probe.destroy();
      resolve(why);
    };
    probe.setTimeout(RUNTIME_ANSWER_MS, () => end("no answer in time"));
    probe.once("connect", () => end(undefined));
    probe.once("error", (error) => end(error.message));
  });
}
