import { execFile } from "node:child_process";
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { DIGEST_TYPES, digestOf, digestRoot, type HeldObject, parseResource } from "@kedge/protocol";
import { inNetns, TestProcess } from "@kedge/testing";

const run = promisify(execFile);
/** Of Debian's package `faketime`. */
const [FAKETIME] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
/** Room for the node's database; small, so that it can be filled. */
const DISK_BYTES = 48 * 1024 * 1024;

export interface FaultEdgeOptions {
  readonly dir: string;
  readonly netns: string;
  readonly node: string;
  readonly device: string;
  readonly messages: number;
  readonly token: string;
  readonly servers: { readonly websocket: string; readonly https: string };
}

/** What the agent wrote down; see `edge-under-test-main.ts`. */
export interface Journal {
  readonly tried: number;
  readonly accepted: ReadonlySet<number>;
  readonly lastTwin: number;
  readonly done: boolean;
  /** By object: what the agent held, in order, as `UID VERSION`. */
  readonly objects: ReadonlyMap<string, readonly { uid: string; version: string }[]>;
}

/** The agent, its disk and its clock. */
export class FaultEdge implements AsyncDisposable {
  readonly #options: FaultEdgeOptions;
  readonly #disk: string;
  #process: TestProcess | undefined;
  #lock: DatabaseSync | undefined;

  private constructor(options: FaultEdgeOptions) {
    this.#options = options;
    this.#disk = join(options.dir, "disk");
  }

  static missing(): string | false {
    return FAKETIME === undefined && "needs Debian's package faketime";
  }

  static async start(options: FaultEdgeOptions): Promise<FaultEdge> {
    await using scope = new AsyncDisposableStack();
    const edge = scope.use(new FaultEdge(options));
    await mkdir(edge.#disk);
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "kedge-faults", edge.#disk]);
    edge.#writeConfig();
    writeFileSync(edge.#journalFile, "");
    edge.setClock("+0d");
    edge.tellArrived(0);
    edge.startAgent();
    scope.move();
    return edge;
  }

  get #journalFile(): string {
    return join(this.#options.dir, "journal");
  }
  get #database(): string {
    return join(this.#disk, "edgecore.db");
  }
  get #configFile(): string {
    return join(this.#options.dir, "edgecore.yaml");
  }

  #writeConfig(): void {
    const { dir, node, token, servers } = this.#options;
    const certs = join(dir, "certs");
    const config = {
      apiVersion: "edgecore.config.kubeedge.io/v1alpha2",
      kind: "EdgeCore",
      database: { dataSource: this.#database },
      modules: {
        edged: { enable: false, hostnameOverride: node },
        edgeHub: {
          token,
          httpServer: `https://${servers.https}`,
          websocket: { server: servers.websocket },
          heartbeat: 4, // half-open links are found within six seconds
          messageQPS: 0,
          tlsCaFile: join(certs, "ca.crt"),
          tlsCertFile: join(certs, "node.crt"),
          tlsPrivateKeyFile: join(certs, "node.key"),
        },
        eventBus: { enable: false },
      },
    };
    writeFileSync(this.#configFile, JSON.stringify(config));
  }

  startAgent(): void {
    const { dir, netns, messages, device } = this.#options;
    const program = join(import.meta.dirname, "edge-under-test-main.ts");
    const args = [this.#configFile, this.#journalFile, this.#arrivedFile, String(messages), device];
    const clock = [
      `LD_PRELOAD=${FAKETIME}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#clockFile}`,
      "FAKETIME_CACHE_DURATION=1",
      "DONT_FAKE_MONOTONIC=1",
    ];
    const [command = "", ...rest] = inNetns(netns, ["env", ...clock, process.execPath, program, ...args]);
    this.#process = TestProcess.start("edge", command, rest, join(dir, "edge.log"));
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  get #arrivedFile(): string {
    return join(this.#options.dir, "arrived");
  }
  get #clockFile(): string {
    return join(this.#options.dir, "clock");
  }

  tellArrived(messages: number): void {
    writeFileSync(this.#arrivedFile, String(messages));
  }

  /** @param offset from the real time: `+90d`. */
  setClock(offset: string): void {
    writeFileSync(this.#clockFile, offset);
  }

  fillDisk(): void {
    try {
      writeFileSync(join(this.#disk, "filler"), Buffer.alloc(DISK_BYTES));
    } catch {
      // it is full now
    }
  }

  freeDisk(): void {
    rmSync(join(this.#disk, "filler"), { force: true });
  }

  /** Only while the agent does not run: it locks its database for itself. */
  lockDatabase(): void {
    this.#lock = new DatabaseSync(this.#database);
    this.#lock.exec("BEGIN EXCLUSIVE");
  }

  unlockDatabase(): void {
    this.#lock?.close();
    this.#lock = undefined;
  }

  journal(): Journal {
    const accepted = new Set<number>();
    const objects = new Map<string, { uid: string; version: string }[]>();
    let [tried, lastTwin, done] = [0, 0, false];
    for (const line of readFileSync(this.#journalFile, "utf8").split("\n")) {
      const [word, first = "", key = "", uid = "", version = ""] = line.split(" ");
      if (word === "try") tried = Number(first);
      else if (word === "ok") accepted.add(Number(first));
      else if (word === "twin") lastTwin = Number(first);
      else if (word === "done") done = true;
      else if (word === "got") objects.set(key, [...(objects.get(key) ?? []), { uid, version }]);
    }
    return { tried, accepted, lastTwin, done, objects };
  }

  /** Of the stopped agent: rows of one type, by key. */
  rows(type: string): Map<string, { uid: string; version: string }> {
    const db = new DatabaseSync(this.#database, { readOnly: true });
    try {
      const rows = db
        .prepare(
          `SELECT key, json_extract(value, '$.metadata.uid') AS uid,
                  json_extract(value, '$.metadata.resourceVersion') AS version FROM meta WHERE type = ?`,
        )
        .all(type);
      return new Map(
        rows.map(({ key, uid, version }) => [String(key), { uid: String(uid), version: String(version) }]),
      );
    } finally {
      db.close();
    }
  }

  /** Of the stopped agent: the digest of what it holds. */
  digest(): string {
    const held: HeldObject[] = [];
    for (const type of DIGEST_TYPES)
      for (const [resource, { uid, version }] of this.rows(type)) {
        const { namespace, name = "" } = parseResource(resource) ?? {};
        held.push({ type, ...(namespace !== undefined && { namespace }), name, uid, version });
      }
    return digestRoot(digestOf(held));
  }

  /** Of the stopped agent: messages that the cloud is still to get. */
  waiting(): number {
    const db = new DatabaseSync(this.#database, { readOnly: true });
    try {
      return Number(db.prepare("SELECT count(*) AS waiting FROM kedge_outbox").get()?.["waiting"]);
    } finally {
      db.close();
    }
  }

  async stop(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
  }

  logTail(): string {
    return this.#process?.logTail() ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unlockDatabase();
    await this.stop();
    await run("umount", [this.#disk]).catch(() => undefined);
  }
}
