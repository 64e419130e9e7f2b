import { DEVICES, DEVICES_API_VERSION, type Device } from "@kedge/api";
import type { KubeObject } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import {
  digestAnswer,
  digestOf,
  digestRoot,
  type HeldObject,
  type Message,
  objectPush,
  OK,
  orphanDelete,
  readDigestQuestion,
} from "@kedge/protocol";
import { type Logger, type MessageBus, toError } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import type { SyncRecord } from "../cloudhub/sync-record.ts";
import type { SyncRecords } from "../cloudhub/sync-records.ts";
import type { ClusterView } from "../edgecontroller/cluster-view.ts";
import { isOfNode, type ObjectFinder, sourceOf } from "./object-finder.ts";
import { comparedRecords, heldAccordingTo, planDigestRepair } from "./plan-digest-repair.ts";

/** Differences put right in one exchange; each may cost a read of the API server, and what is left is found again. */
export const DIGEST_REPAIRS_MAX = 200;

const API_OF_TYPE: Readonly<Record<string, { apiVersion: string; kind: string }>> = {
  pod: { apiVersion: "v1", kind: "Pod" },
  configmap: { apiVersion: "v1", kind: "ConfigMap" },
  secret: { apiVersion: "v1", kind: "Secret" },
  node: { apiVersion: "v1", kind: "Node" },
  device: { apiVersion: DEVICES_API_VERSION, kind: "Device" },
  devicemodel: { apiVersion: DEVICES_API_VERSION, kind: "DeviceModel" },
};

interface DigestExchangeDeps {
  readonly kube: KubeClient;
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly records: SyncRecords;
  readonly view: ClusterView;
  readonly finder: ObjectFinder;
  readonly logger: Logger;
}

/** Answers nodes of our own that compare what they hold with what we believe, and puts right what differs. */
export class DigestExchange {
  readonly #deps: DigestExchangeDeps;
  readonly #signal: AbortSignal;
  /** One exchange of a node at a time: a node that asks faster gains nothing. CloudHub bounds how many wait. */
  readonly #working = new Map<string, Promise<void>>();

  constructor(deps: DigestExchangeDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Never rejects for what a node sent. */
  async handle(node: string, message: Message): Promise<void> {
    const before = this.#working.get(node) ?? Promise.resolve();
    const work = before
      .then(() => this.#answer(node, message))
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#deps.logger.warn({ node, error: toError(error) }, "digests not compared");
      });
    this.#working.set(node, work);
    await work;
    if (this.#working.get(node) === work) this.#working.delete(node);
  }

  async #answer(node: string, message: Message): Promise<void> {
    const question = readDigestQuestion(message);
    const records = comparedRecords(this.#deps.records.recordsOf(node));
    if ("root" in question) {
      const digest = digestOf(records.map(heldAccordingTo));
      const same = digestRoot(digest) === question.root;
      return this.#send(digestAnswer(node, message, same ? OK : { buckets: digest.buckets }));
    }
    // Before the answer: the node waits for it, and asks nothing meanwhile.
    const differences = planDigestRepair(records, question);
    let [told, removed] = [0, 0];
    for (const difference of differences.slice(0, DIGEST_REPAIRS_MAX)) {
      const done = await (difference.kind === "lost"
        ? this.#tellAgain(node, difference.record)
        : this.#lookAfter(node, difference.held));
      if (done === "told") told += 1;
      if (done === "removed") removed += 1;
    }
    if (told + removed > 0)
      this.#deps.logger.info({ node, told, removed }, "the node's digest differed: objects told again, or removed");
    await this.#send(digestAnswer(node, message, OK));
  }

  async #tellAgain(node: string, record: SyncRecord): Promise<"told" | "removed" | "nothing"> {
    const { finder, records } = this.#deps;
    const object = await finder.find(record, this.#signal);
    if (object === "unknown") return "nothing";
    if (object?.metadata?.uid !== record.uid) {
      if (!(await finder.isGone(record, this.#signal))) return "nothing";
      await this.#send(orphanDelete(node, record.kind.toLowerCase(), record, record.uid));
      return "removed";
    }
    records.reset(node, record);
    await this.#push(node, record, object);
    return "told";
  }

  /** The node names it, so it could name what it should not see: it is told of nothing that it may not have. */
  async #lookAfter(node: string, held: HeldObject): Promise<"told" | "removed" | "nothing"> {
    const api = API_OF_TYPE[held.type];
    if (api === undefined) return "nothing";
    const { namespace, name, uid } = held;
    const object = await this.#deps.finder.read({ ...api, namespace, name }, this.#signal);
    if (object === "unknown") return "nothing";
    if (held.type === "node") {
      // Never order its deletion: that ends the session. If it was created anew, the new one takes its row.
      if (name !== node || object === undefined) return "nothing";
      await this.#push(node, api, object);
      return "told";
    }
    if (object?.metadata?.uid !== uid || !isOfNode(object, { kind: api.kind, node })) {
      await this.#send(orphanDelete(node, held.type, { ...(namespace !== undefined && { namespace }), name }, uid));
      return "removed";
    }
    if (!(await this.#mayHave(node, held))) return "nothing";
    await this.#push(node, api, object);
    return "told";
  }

  async #mayHave(node: string, { type, namespace = "", name }: HeldObject): Promise<boolean> {
    const { view, kube } = this.#deps;
    if (type === "configmap") return view.needs(node, "configMap", `${namespace}/${name}`);
    if (type === "secret") return view.needs(node, "secret", `${namespace}/${name}`);
    if (type !== "devicemodel") return true; // it is the node's own, which was looked at before
    const { items } = await kube.list<Device>(DEVICES, { namespace }, this.#signal);
    return items.some(({ spec }) => spec?.nodeName === node && spec.deviceModelRef?.name === name);
  }

  async #push(node: string, api: { apiVersion: string; kind: string }, object: KubeObject): Promise<void> {
    const { apiVersion, kind } = api;
    const { managedFields: _kept, ...metadata } = object.metadata ?? {};
    const whole = { ...object, apiVersion, kind, metadata };
    await this.#send(objectPush({ node, source: sourceOf(api), operation: "update", object: whole }));
  }

  async #send(message: Message): Promise<void> {
    await this.#deps.bus.request("hub/send", message, this.#signal);
  }
}
