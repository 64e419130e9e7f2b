import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Message } from "@kedge/protocol";
import { type Clock, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { DeviceTwin } from "./devicetwin.ts";

type Row = Record<string, unknown>;
type Tables = { device: Row[]; device_attr: Row[]; device_twin: Row[] };

interface Vector {
  readonly id: string;
  readonly title: string;
  readonly referenceBug: boolean;
  readonly reasonTextImplementationSpecific?: boolean;
  readonly nodeName: string;
  readonly cloudConnected: boolean;
  readonly stored: Tables;
  readonly storedAfter: Tables;
  readonly steps: readonly {
    readonly input: {
      readonly kind: string;
      readonly topic?: string;
      readonly payload?: unknown;
      readonly payloadRaw?: string;
      readonly route?: Message["route"];
      readonly content?: unknown;
      readonly parentMsgId?: string;
    };
    readonly expect: { readonly published?: unknown[]; readonly toCloud?: unknown[]; readonly notSubscribed?: boolean };
  }[];
}

const file = path.join(import.meta.dirname, "../../../../test/vectors/devicetwin.json");
export const vectors = (JSON.parse(readFileSync(file, "utf8")) as { vectors: Vector[] }).vectors;

export function vectorOf(id: string): Vector {
  const vector = vectors.find((candidate) => candidate.id === id);
  assert.ok(vector, `no vector ${id}`);
  return vector;
}

export interface VectorStep {
  readonly published: readonly { readonly topic: string; readonly payload: unknown }[];
  readonly toCloud: readonly { readonly route: unknown; readonly content: unknown }[];
}

/** The payload of a publication that must be there. */
export function payloadAt<T>(published: VectorStep["published"], index: number): T {
  const publication = published[index];
  assert.ok(publication, `only ${published.length} publications`);
  return publication.payload as T;
}

/** DeviceTwin alone, with a database, and a bus that records what leaves it. */
export class TwinHarness implements AsyncDisposable {
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
  readonly #scope = new AsyncDisposableStack();
  #published: { topic: string; payload: unknown }[] = [];
  #toCloud: { route: unknown; content: unknown }[] = [];
  /** Ids of what went to the cloud since the last {@link take}. */
  sentIds: string[] = [];
  refuse = () => false;

  constructor(stored: Partial<Tables> = {}, path_ = ":memory:") {
    this.db = this.#scope.adopt(openDatabase({ path: path_ }), (db) => db.close());
    this.commits = this.#scope.use(new GroupCommit(this.db));
    this.#scope.use(
      this.bus.handle("bus/publish", ({ topic, payload }) => {
        this.#published.push({ topic, payload: JSON.parse(payload) as unknown });
      }),
    );
    this.#scope.use(
      this.bus.handle("hub/send", ({ header, route, content }) => {
        if (this.refuse()) throw new Error("the hub is full");
        this.sentIds.push(header.msg_id);
        this.#toCloud.push({ route, content });
      }),
    );
    this.#insert(stored);
  }

  async start(nodeName = "edge-node-1", clock: Clock = systemClock): Promise<DeviceTwin> {
    const deps = { bus: this.bus, db: this.db, commits: this.commits, logger: silentLogger, clock };
    return this.#scope.use(await DeviceTwin.start({ nodeName }, deps, AbortSignal.timeout(10_000)));
  }

  mqtt(topic: string, payload: string | object): Promise<void> {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    return this.bus.request("twin/mqtt", { topic, payload: Buffer.from(text) }, AbortSignal.timeout(10_000));
  }

  cloud(route: Message["route"], content: unknown, parentId?: string): Promise<void> {
    const header = { msg_id: "m", timestamp: 1, ...(parentId !== undefined && { parent_msg_id: parentId }) };
    return this.bus.request("twin/downstream", { header, route, content }, AbortSignal.timeout(10_000));
  }

  /** What left since the last call. */
  take(): VectorStep {
    const step = { published: this.#published, toCloud: this.#toCloud };
    this.#published = [];
    this.#toCloud = [];
    this.sentIds = [];
    return step;
  }

  tables(): Tables {
    const rows = (table: string) =>
      this.db
        .prepare(`SELECT * FROM ${table}`)
        .all()
        .map(({ id, ...row }) => (table === "device" ? { id, ...row } : row));
    return { device: rows("device"), device_attr: rows("device_attr"), device_twin: rows("device_twin") };
  }

  #insert(stored: Partial<Tables>): void {
    // As KubeEdge's agent creates them.
    this.db.exec(`
      CREATE TABLE IF NOT EXISTS device (id text, name text, description text, state text, last_online text, PRIMARY KEY (id));
      CREATE TABLE IF NOT EXISTS device_attr (id integer PRIMARY KEY AUTOINCREMENT, deviceid text, name text,
        description text, value text, optional numeric, attr_type text, metadata text);
      CREATE TABLE IF NOT EXISTS device_twin (id integer PRIMARY KEY AUTOINCREMENT, deviceid text, name text,
        description text, expected text, actual text, expected_meta text, actual_meta text, expected_version text,
        actual_version text, optional numeric, attr_type text, metadata text)`);
    for (const [table, rows] of Object.entries(stored))
      for (const row of rows) {
        const names = Object.keys(row);
        const values = names.map((name) => column(row[name]));
        this.db
          .prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`)
          .run(...values);
      }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.disposeAsync();
  }
}

function column(value: unknown): string | number | null {
  if (typeof value === "object" && value !== null && "$jsonString" in value) return JSON.stringify(value.$jsonString);
  return value as string | number | null;
}

export async function runVector(vector: Vector): Promise<{ steps: VectorStep[]; stored: Tables }> {
  await using harness = new TwinHarness(vector.stored);
  await harness.start(vector.nodeName);
  if (vector.cloudConnected) harness.bus.notify("hub/connection", { connected: true });
  harness.take();
  const steps: VectorStep[] = [];
  for (const { input } of vector.steps) {
    if (input.kind === "mqtt") await harness.mqtt(input.topic ?? "", input.payloadRaw ?? (input.payload as object));
    else if (input.kind === "cloud") await harness.cloud(input.route ?? {}, input.content, input.parentMsgId);
    else harness.bus.notify("hub/connection", { connected: input.kind === "connected" });
    steps.push(harness.take());
  }
  return { steps, stored: harness.tables() };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Compares with a recording, whose placeholders stand for times and ids. @param reasons compare error texts, too */
export function match(actual: unknown, expected: unknown, options: { reasons?: boolean } = {}): void {
  assert.deepEqual(fill(actual, expected, options.reasons ?? true), expected);
}

/** `actual`, with the placeholder in place of each value that it fits. */
function fill(actual: unknown, expected: unknown, reasons: boolean): unknown {
  if (expected === "$NOW_MS") return Number.isSafeInteger(actual) ? expected : actual;
  if (expected === "$UUID") return UUID.test(String(actual)) ? expected : actual;
  if (expected === "$NOW_RFC3339") return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(actual)) ? expected : actual;
  if (typeof expected !== "object" || expected === null) return actual;
  if ("$jsonString" in expected) {
    if (typeof actual !== "string") return actual;
    return { $jsonString: fill(JSON.parse(actual), expected.$jsonString, reasons) };
  }
  if (Array.isArray(expected))
    return Array.isArray(actual) ? actual.map((item, index) => fill(item, expected[index], reasons)) : actual;
  if (typeof actual !== "object" || actual === null) return actual;
  const wanted = expected as Row;
  return Object.fromEntries(
    Object.entries(actual).map(([key, value]) => {
      if (!reasons && key === "reason") return [key, wanted[key]];
      return [key, fill(value, wanted[key], reasons)];
    }),
  );
}
