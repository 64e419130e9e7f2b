import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DEVICE_MODELS, DEVICES } from "@kedge/api";
import {
  CONFIG_MAPS,
  type KubeObject,
  type KubeStatus,
  NODES,
  type ObjectKey,
  PODS,
  type ResourceType,
  SECRETS,
  SERVICE_ACCOUNTS,
} from "@kedge/kube";
import type { Message } from "@kedge/protocol";
import { hasCode } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { type CloudFixture, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join, StockEdge } from "./stock-edge.ts";

/**
 * Plays the recorded stock edge against our cloudcore, step by step, and expects each answer to mean what the recorded
 * stock cloud's meant. What the recording shows of the cluster is made so in the cluster before.
 */

type Line =
  | { readonly mark: string }
  | { readonly event: "upgrade" | "edge_closed" | "cloud_closed" }
  | { readonly dir: "edge_to_cloud" | "cloud_to_edge"; readonly message: Message };

const file = new URL("../../../test/vectors/conversations/channel.jsonl", import.meta.url);
const lines = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Line);

const NODE = "edge-rec";
/** Parts of the cloud that do not exist yet. */
const NOT_YET = /^(metaserver|dynamiccontroller|bus|router_)/;

const TYPES: Readonly<Record<string, ResourceType>> = {
  pod: PODS,
  configmap: CONFIG_MAPS,
  secret: SECRETS,
  node: NODES,
  device: DEVICES,
  devicemodel: DEVICE_MODELS,
};

test(
  "the recorded stock edge gets the answers that it got from the stock cloud",
  { timeout: 180_000, skip: TestKubernetes.missing() },
  async () => {
    await using kubernetes = await startKubernetes();
    await using replay = new Replay(kubernetes);
    await replay.start();
    for (const [at, line] of lines.entries()) {
      if ("mark" in line) await replay.begin(line.mark, at);
      else await replay.play(line, at);
    }
    assert.equal(replay.answers, lines.filter(isAnswerOfOurs).length, "each recorded answer was compared");
  },
);

function isAnswerOfOurs(line: Line): boolean {
  if (!("dir" in line) || line.dir !== "cloud_to_edge") return false;
  const { header, route } = line.message;
  return header.parent_msg_id !== undefined && !NOT_YET.test(route.source ?? "");
}

class Replay implements AsyncDisposable {
  step = "";
  answers = 0;
  readonly #kubernetes: TestKubernetes;
  #cloud: CloudFixture | undefined;
  #identity: EdgeIdentity | undefined;
  #edge: StockEdge | undefined;
  /** Recorded UID or version → what it is here. */
  readonly #names = new Map<string, string>();
  readonly #lastVersion = new Map<string, string>();

  constructor(kubernetes: TestKubernetes) {
    this.#kubernetes = kubernetes;
  }

  async start(): Promise<void> {
    this.#cloud = await startCloud(this.#kubernetes);
    this.#identity = await join(this.cloud.cloud.ports.https, await this.cloud.token(), NODE);
    for (const name of ["default", "app"])
      await this.cloud.kube.create(SERVICE_ACCOUNTS, { metadata: { namespace: "default", name } }, this.cloud.signal);
    // A stock cloud waits to be asked for these, so that nothing in the recording says when they came into being.
    for (const line of lines) {
      if (!("dir" in line) || line.dir !== "cloud_to_edge") continue;
      const { kind } = (line.message.content ?? {}) as KubeObject;
      if (line.message.route.operation === "response" && (kind === "ConfigMap" || kind === "Secret"))
        await this.#makeSo({ ...line.message, route: { ...line.message.route, operation: "insert" } });
    }
  }

  get cloud(): CloudFixture {
    assert.ok(this.#cloud !== undefined);
    return this.#cloud;
  }

  get edge(): StockEdge {
    assert.ok(this.#edge !== undefined);
    return this.#edge;
  }

  async begin(step: string, at: number): Promise<void> {
    this.step = step;
    if (!step.startsWith("device")) return;
    // A node hears of its devices in no particular order: they must all be there when it does.
    for (const line of lines.slice(at + 1)) {
      if ("mark" in line) return;
      if ("dir" in line && line.dir === "cloud_to_edge") await this.#makeSo(line.message);
    }
  }

  async play(line: Exclude<Line, { mark: string }>, at: number): Promise<void> {
    if ("event" in line) return this.#playEvent(line.event);
    const { dir, message } = line;
    if (NOT_YET.test(message.route.source ?? "")) return;
    if (dir === "edge_to_cloud") {
      if (message.route.operation !== "response") this.edge.send(this.#translated(message)); // StockEdge acknowledges by itself
      return;
    }
    const where = `line ${at + 1}, step ${this.step}: ${message.route.operation} ${message.route.resource}`;
    if (message.header.parent_msg_id === undefined) await this.#makeSo(message);
    const alike = await this.#expect(message, where);
    this.#learn(message.content, alike.content);
  }

  async #playEvent(event: "upgrade" | "edge_closed" | "cloud_closed"): Promise<void> {
    if (event === "upgrade") {
      assert.ok(this.#identity !== undefined);
      this.#edge = await StockEdge.connect(this.cloud.cloud.ports.websocket, this.#identity);
    } else {
      await this.#edge?.[Symbol.asyncDispose]();
      if (event === "cloud_closed" && this.step === "cloud-restart") {
        await this.cloud[Symbol.asyncDispose]();
        this.#cloud = await startCloud(this.#kubernetes);
      }
    }
  }

  /** The recorded message with the UIDs and versions that the objects have here. */
  #translated(message: Message): Message {
    let text = JSON.stringify(message);
    for (const [recorded, here] of this.#names) text = text.replaceAll(recorded, here);
    const translated = JSON.parse(text) as Message;
    const content = translated.content as KubeObject | null;
    const version = this.#lastVersion.get(message.route.resource ?? "");
    if (content?.metadata?.resourceVersion === undefined || version === undefined) return translated;
    return { ...translated, content: { ...content, metadata: { ...content.metadata, resourceVersion: version } } };
  }

  #learn(recorded: unknown, here: unknown): void {
    const [before, now] = [objectIn(recorded)?.metadata, objectIn(here)?.metadata];
    if (before?.uid !== undefined && now?.uid !== undefined) this.#names.set(before.uid, now.uid);
  }

  /** Makes the cluster such that the recorded push is due. */
  async #makeSo({ route, content }: Message): Promise<void> {
    const [namespace = "", type = "", name = ""] = (route.resource ?? "").split("/");
    const resource = TYPES[type];
    if (route.operation === "response" || resource === undefined || type === "node" || content === null) return;
    const { kube, signal } = this.cloud;
    const key: ObjectKey = { namespace, name };
    const recorded = structuredClone(content as KubeObject & { status?: unknown; spec?: object; data?: unknown });
    const existing = await this.#find(resource, key);
    const terminating = recorded.metadata?.deletionTimestamp !== undefined;
    if (route.operation === "delete") {
      if (existing !== undefined) await kube.delete(resource, key, signal, { gracePeriodSeconds: 0 });
    } else if (existing === undefined) {
      const { labels, annotations } = recorded.metadata ?? {};
      const { status: _status, ...rest } = recorded;
      const metadata = {
        namespace,
        name,
        ...(labels !== undefined && { labels }),
        ...(annotations !== undefined && { annotations }),
      };
      const created = await kube.create(resource, { ...rest, metadata } as KubeObject, signal);
      if (recorded.metadata?.uid !== undefined) this.#names.set(recorded.metadata.uid, created.metadata?.uid ?? "");
    } else if (terminating && existing.metadata?.deletionTimestamp === undefined)
      await kube.delete(resource, key, signal, { gracePeriodSeconds: 30 });
    else if (type === "pod") {
      // Something about it changed while the edge was away.
      const body = { metadata: { annotations: { replayed: this.step } } };
      if (this.step === "edge-restart") await kube.patch(resource, key, { type: "merge", body }, signal);
    } else {
      const { data, spec } = recorded;
      const body = { ...(data !== undefined && { data }), ...(spec !== undefined && { spec }) };
      await kube.patch(resource, key, { type: "merge", body }, signal);
    }
  }

  async #find(type: ResourceType, key: ObjectKey): Promise<KubeObject | undefined> {
    try {
      return await this.cloud.kube.get(type, key, this.cloud.signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** Waits for a message of ours that means the same. */
  async #expect(recorded: Message, where: string): Promise<Message> {
    const wanted = meaning(recorded);
    const seconds = 20;
    const timer = AbortSignal.timeout(seconds * 1000);
    const late = new Promise<never>((_, reject) =>
      timer.addEventListener("abort", () => {
        const got = this.edge.received
          .filter(
            ({ route, header }) =>
              route.resource === recorded.route.resource || header.parent_msg_id === recorded.header.parent_msg_id,
          )
          .map((message) => JSON.stringify(meaning(message)));
        reject(
          new Error(
            `${where}: nothing like ${JSON.stringify(wanted)} came in ${seconds} s, but ${got.slice(-5).join(", ")}`,
          ),
        );
      }),
    );
    const text = JSON.stringify(wanted);
    const found = await Promise.race([this.edge.wait((message) => JSON.stringify(meaning(message)) === text), late]);
    if (recorded.header.parent_msg_id !== undefined) this.answers += 1;
    const version = objectIn(found.content)?.metadata?.resourceVersion;
    if (version !== undefined) this.#lastVersion.set(found.route.resource ?? "", version);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#edge?.[Symbol.asyncDispose]();
    await this.#cloud?.[Symbol.asyncDispose]();
  }
}

function objectIn(content: unknown): KubeObject | undefined {
  if (typeof content !== "object" || content === null) return undefined;
  return "Object" in content ? ((content.Object ?? undefined) as KubeObject | undefined) : (content as KubeObject);
}

/** What an edge understands of a message: ids, times and versions left out. */
function meaning({ header, route, content }: Message): unknown {
  const { source, group, resource } = route;
  // The edge treats both alike; which one it is depends on what the cloud knew before.
  const operation = route.operation === "insert" ? "update" : route.operation;
  return { source, group, operation, resource, parent: header.parent_msg_id, content: contentMeaning(content) };
}

function contentMeaning(content: unknown): unknown {
  if (typeof content !== "object" || content === null) return content;
  const { ErrStatus, Err } = content as { ErrStatus?: KubeStatus; Err?: { ErrStatus?: KubeStatus } | null };
  const status = ErrStatus ?? Err?.ErrStatus;
  if (status !== undefined) return { reason: status.reason, code: status.code };
  const object = objectIn(content) as KubeObject & { data?: unknown; spec?: { boundObjectRef?: { name?: string } } };
  if ("removed_devices" in content) return "membership";
  return {
    shape: "Object" in content ? "ObjectResp" : object.kind,
    name: object.metadata?.name,
    data: object.data,
    terminating: object.metadata?.deletionTimestamp !== undefined,
    boundTo: object.spec?.boundObjectRef?.name,
  };
}
