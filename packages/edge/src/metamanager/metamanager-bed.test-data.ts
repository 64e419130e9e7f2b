import { readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { KubeObject } from "@kedge/kube";
import { type Message, newMessage } from "@kedge/protocol";
import { type Clock, CodedError, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { EdgeBus, EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { MetaManager } from "./metamanager.ts";

const vectorsFile = new URL("../../../../test/vectors/cloud-edge-frames.json", import.meta.url);
const vectors = (JSON.parse(readFileSync(vectorsFile, "utf8")) as { vectors: { name: string; message: Message }[] })
  .vectors;

/** A recorded frame of stock KubeEdge. */
export function frame(name: string): Message {
  const found = vectors.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`no vector is called ${name}`);
  return found.message;
}

export class NotConnectedError extends CodedError<{ code: "NotConnected" }> {
  override readonly retryable = true;
}

export type Cloud = (request: Message) => Message | "away";

/** What a cloud answers: the request's resource, its id as parent. */
export function answer(request: Message, content: unknown): Message {
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "response",
    resource: request.route.resource ?? "",
    content,
    parentId: request.header.msg_id,
  });
}

export const apiError = (reason: string, code: number) => ({
  ErrStatus: { metadata: {}, status: "Failure", message: `no: ${reason}`, reason, code },
});

/** A MetaManager on a real database, with a cloud that the test scripts. */
export class MetaManagerBed implements AsyncDisposable {
  readonly bus: EdgeBus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly asked: Message[] = [];
  readonly sent: Message[] = [];
  readonly changed: string[] = [];
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
  readonly signal = AbortSignal.timeout(20_000);
  cloud: Cloud = () => "away";
  /** Before each answer. */
  delay: (() => Promise<void>) | undefined;
  #metaManager: MetaManager | undefined;

  private constructor(path: string) {
    this.db = openDatabase({ path });
    this.commits = new GroupCommit(this.db);
    this.bus.handle("hub/request", async ({ message }) => {
      this.asked.push(message);
      if (this.delay !== undefined) await this.delay();
      const reply = this.cloud(message);
      if (reply === "away") throw new NotConnectedError("the cloud is away", { code: "NotConnected" });
      return reply;
    });
    this.bus.handle("hub/send", (message) => void this.sent.push(message));
    this.bus.listen("meta/podChanged", ({ key }) => this.changed.push(`pod ${key.namespace}/${key.name}`));
    this.bus.listen("meta/objectChanged", ({ type, key }) =>
      this.changed.push(`${type} ${key.namespace ?? ""}/${key.name}`),
    );
  }

  static async start(path = ":memory:", clock: Clock = systemClock): Promise<MetaManagerBed> {
    const bed = new MetaManagerBed(path);
    const deps = { bus: bed.bus, db: bed.db, commits: bed.commits, logger: silentLogger, clock };
    bed.#metaManager = await MetaManager.start({ remoteQueryTimeoutMs: 1000 }, deps);
    return bed;
  }

  down(message: Message): Promise<Message | undefined> {
    return this.bus.request("meta/downstream", message, this.signal);
  }

  push(operation: string, type: string, object: KubeObject): Promise<Message | undefined> {
    const { namespace, name = "" } = object.metadata ?? {};
    return this.down(
      newMessage({
        source: "edgecontroller",
        group: "resource",
        operation,
        resource: `${namespace ?? "null"}/${type}/${name}`,
        content: object,
      }),
    );
  }

  row(key: string): string | undefined {
    return this.db.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"] as string | undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#metaManager?.[Symbol.asyncDispose]();
    this.commits[Symbol.dispose]();
    this.db.close();
  }
}

export function pod(name: string, uid: string, resourceVersion: string, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace: "default", name, uid, resourceVersion }, ...more };
}
