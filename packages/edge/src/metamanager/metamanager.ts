import type { DatabaseSync } from "node:sqlite";
import {
  type ConfigMap,
  type DeleteOptions,
  type Event,
  type KubeObject,
  type Lease,
  type Node,
  type ObjectKey,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type Secret,
  type VolumeAttachment,
} from "@kedge/kube";
import {
  createEvent,
  createPod,
  deletePod,
  formatResource,
  Group,
  type Message,
  newMessage,
  Operation,
  patchEvent,
  queryLease,
  readObjectResp,
  readOk,
  readQueriedObject,
  registerNode,
  Source,
} from "@kedge/protocol";
import { type Clock, Component, hasCode, type Logger, systemClock, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { EdgeBus } from "../edge-messages.ts";
import { MessageApplier } from "./apply-message.ts";
import { requireObject } from "./answered-object.ts";
import { CloudRequests } from "./cloud-requests.ts";
import { CsiObjects } from "./csi-objects.ts";
import { DigestExchange } from "./digest-exchange.ts";
import { LeaseWriter } from "./lease-writer.ts";
import { MetaRepository } from "./meta-repository.ts";
import { MetaStore } from "./meta-store.ts";
import { PatchKeeper } from "./patch-keeper.ts";
import { ReadThrough } from "./read-through.ts";
import { StorageReads } from "./storage-reads.ts";
import { TokenCache } from "./token-cache.ts";

export interface MetaManagerConfig {
  /** How long a question to the cloud may take, a reconnect meanwhile included. */
  readonly remoteQueryTimeoutMs: number;
}

export interface MetaManagerDeps {
  readonly logger: Logger;
  readonly bus: EdgeBus;
  readonly db: DatabaseSync;
  /** The one writer of `db`. */
  readonly commits: GroupCommit;
  readonly clock?: Clock;
}

/** Knows what the cloud said last, on disk, and answers the node's questions from it, with the cloud or without. */
export class MetaManager extends Component {
  readonly #deps: MetaManagerDeps;
  readonly #store: MetaStore;
  readonly #cloud: CloudRequests;
  readonly #reads: ReadThrough;
  readonly #storage: StorageReads;
  readonly #csi: CsiObjects;
  readonly #tokens: TokenCache;
  readonly #patches: PatchKeeper;
  readonly #leases: LeaseWriter;
  readonly #applier: MessageApplier;
  readonly #digests: DigestExchange;
  readonly #handles = new DisposableStack();
  #resending: Promise<void> = Promise.resolve();

  private constructor(config: MetaManagerConfig, deps: MetaManagerDeps) {
    super();
    const { logger, bus, db, commits, clock = systemClock } = deps;
    const repository = new MetaRepository(db);
    this.#deps = deps;
    this.#store = new MetaStore(repository, commits, bus, logger);
    this.#cloud = new CloudRequests(bus, config.remoteQueryTimeoutMs, logger);
    this.#reads = new ReadThrough(this.#store, this.#cloud);
    this.#storage = new StorageReads(this.#store, this.#cloud);
    this.#csi = new CsiObjects(this.#cloud, this.#storage);
    this.#tokens = new TokenCache(repository, commits, this.#cloud, { clock, logger });
    this.#patches = new PatchKeeper(repository, this.#store, commits, this.#cloud, logger);
    this.#leases = new LeaseWriter(bus, this.#cloud, logger);
    this.#applier = new MessageApplier(this.#store, bus, logger);
    this.#digests = new DigestExchange({ db, bus, clock, logger });
  }

  static start(config: MetaManagerConfig, deps: MetaManagerDeps): Promise<MetaManager> {
    const metaManager = new MetaManager(config, deps);
    metaManager.#answer();
    return Promise.resolve(metaManager);
  }

  #answer(): void {
    const { bus } = this.#deps;
    const handles = this.#handles;
    const store = this.#store;
    // Work for the cloud outlives no stop of ours, whoever asked for it.
    const any = (signal: AbortSignal) => AbortSignal.any([signal, this.signal]);

    handles.use(bus.handle("meta/downstream", (message, signal) => this.#applier.apply(message, any(signal))));
    handles.use(bus.handle("meta/list", ({ type }) => store.list(type)));
    handles.use(bus.handle("meta/getPod", (key) => store.get("pod", key) as Pod | undefined));
    handles.use(bus.handle("meta/getNode", (key) => store.get("node", key) as Node | undefined));
    handles.use(
      bus.handle(
        "meta/getConfigMap",
        (key) => this.#reads.get("configmap", key, this.signal) as Promise<ConfigMap | undefined>,
      ),
    );
    handles.use(
      bus.handle("meta/getSecret", (key) => this.#reads.get("secret", key, this.signal) as Promise<Secret | undefined>),
    );
    handles.use(
      bus.handle(
        "meta/getVolumeClaim",
        (key) =>
          this.#storage.get("persistentvolumeclaim", key, this.signal) as Promise<PersistentVolumeClaim | undefined>,
      ),
    );
    handles.use(
      bus.handle(
        "meta/getVolume",
        (key) => this.#storage.get("persistentvolume", key, this.signal) as Promise<PersistentVolume | undefined>,
      ),
    );
    handles.use(
      bus.handle(
        "meta/getVolumeAttachment",
        (key) => this.#storage.get("volumeattachment", key, this.signal) as Promise<VolumeAttachment | undefined>,
      ),
    );
    handles.use(bus.handle("meta/getCsiDriver", ({ name }) => this.#csi.driver(name, this.signal)));
    handles.use(bus.handle("meta/getRuntimeClass", ({ name }) => this.#csi.runtimeClass(name, this.signal)));
    handles.use(bus.handle("meta/publishCsiNode", (request, signal) => this.#csi.publish(request, any(signal))));
    handles.use(
      bus.handle("meta/reportClaimSize", ({ key, size }, signal) => this.#csi.claimSize(key, size, any(signal))),
    );
    handles.use(bus.listen("hub/connection", (connection) => this.#csi.note(connection)));
    handles.use(bus.handle("meta/requestToken", (question) => this.#tokens.get(question, this.signal)));
    handles.use(
      bus.handle(
        "meta/patchPodStatus",
        ({ key, patch }, signal) => this.#patches.patch("pod", key, patch, any(signal)) as Promise<Pod>,
      ),
    );
    handles.use(
      bus.handle(
        "meta/patchNodeStatus",
        ({ name, patch }, signal) => this.#patches.patch("node", { name }, patch, any(signal)) as Promise<Node>,
      ),
    );
    handles.use(bus.handle("meta/createPod", (pod, signal) => this.#createPod(pod, any(signal))));
    handles.use(bus.handle("meta/deletePod", (request, signal) => this.#deletePod(request, any(signal))));
    handles.use(bus.handle("meta/registerNode", (node, signal) => this.#registerNode(node, any(signal))));
    handles.use(bus.handle("meta/getLease", (key, signal) => this.#getLease(key, any(signal))));
    handles.use(bus.handle("meta/createLease", (lease, signal) => this.#leases.create(lease, any(signal))));
    handles.use(bus.handle("meta/updateLease", (lease, signal) => this.#leases.update(lease, any(signal))));
    handles.use(bus.handle("meta/sendEvent", (request, signal) => this.#sendEvent(request, any(signal))));
    handles.use(bus.listen("hub/connection", ({ connected }) => connected && this.#resend()));
  }

  /** Patches that could not be sent are worth sending now. One round at a time. */
  #resend(): void {
    this.#resending = this.#resending.then(async () => {
      try {
        await this.#patches.resend(this.signal);
      } catch (error) {
        if (!this.signal.aborted) this.#deps.logger.error({ error: toError(error) }, "kept patches not sent");
      }
    });
  }

  async #createPod(pod: Pod, signal: AbortSignal): Promise<Pod> {
    const key = keyOfObject(pod);
    const reply = await this.#cloud.ask(createPod(pod), signal);
    const created = requireObject(readObjectResp<Pod>(reply.content), key);
    await this.#store.put("pod", key, created);
    return created;
  }

  async #deletePod({ key, options }: { key: ObjectKey; options: DeleteOptions }, signal: AbortSignal): Promise<void> {
    const reply = await this.#cloud.ask(deletePod(key, options), signal);
    try {
      readOk(reply.content);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  async #registerNode(node: Node, signal: AbortSignal): Promise<Node> {
    const key = { name: node.metadata?.name ?? "" };
    const reply = await this.#cloud.ask(registerNode(node), signal);
    try {
      const created = requireObject(readObjectResp<Node>(reply.content), key);
      await this.#store.put("node", key, created);
      return created;
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error;
      const known = this.#store.get("node", key) ?? (await this.#queryNode(key, signal));
      return known as Node;
    }
  }

  /** A node of this name exists, and our database does not know it: the host was set up anew. */
  async #queryNode(key: ObjectKey, signal: AbortSignal): Promise<KubeObject> {
    const reply = await this.#cloud.ask(nodeQuery(key), signal);
    const node = requireObject(readQueriedObject(reply.content), key);
    await this.#store.put("node", key, node);
    return node;
  }

  async #getLease(key: ObjectKey, signal: AbortSignal): Promise<Lease | undefined> {
    const reply = await this.#cloud.ask(queryLease(key.name), signal);
    try {
      return requireObject(readObjectResp<Lease>(reply.content), key);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #sendEvent(
    { operation, event, patch }: { operation: "insert" | "patch"; event: Event; patch?: string },
    signal: AbortSignal,
  ): Promise<void> {
    const message = operation === "insert" ? createEvent(event) : patchEvent(event, patch ?? "{}");
    try {
      await this.#deps.bus.request("hub/send", message, signal);
    } catch (error) {
      if (signal.aborted || hasCode(error, "NoAnswerer")) throw error; // EdgeHub has not started yet
      this.#deps.logger.warn({ resource: message.route.resource, error: toError(error) }, "event dropped");
    }
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    await this.#digests[Symbol.asyncDispose]();
    await this.#resending;
  }
}

function keyOfObject({ metadata }: KubeObject): ObjectKey {
  return { namespace: metadata?.namespace, name: metadata?.name ?? "" };
}

function nodeQuery(key: ObjectKey): Message {
  const resource = formatResource("node", key);
  return newMessage({
    source: Source.edged,
    group: Group.meta,
    operation: Operation.query,
    resource,
    content: null,
  });
}
