import type { CSIDriver, CSINode, ObjectKey, RuntimeClass } from "@kedge/kube";
import { type ClaimSize, publishCsiNode, readObjectResp, readOk, reportClaimSize } from "@kedge/protocol";
import { requireObject } from "./answered-object.ts";
import type { CloudRequests } from "./cloud-requests.ts";
import { MetaError } from "./meta-error.ts";
import type { StorageReads } from "./storage-reads.ts";

/** What a stock cloud knows nothing of (W-24): CSI drivers' settings, the node's list of drivers, classes of runtimes. */
export class CsiObjects {
  readonly #cloud: CloudRequests;
  readonly #reads: StorageReads;
  #connection: { readonly connected: boolean; readonly agreed?: boolean } = { connected: false };

  constructor(cloud: CloudRequests, reads: StorageReads) {
    this.#cloud = cloud;
    this.#reads = reads;
  }

  /** What became of the connection to the cloud. */
  note(connection: { readonly connected: boolean; readonly agreed?: boolean }): void {
    this.#connection = connection;
  }

  /** @throws `NotSupported`: the cloud is a stock one. `NotConnected`, `Timeout`, KubeApiError */
  async driver(name: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    this.#requireOurs("CSIDriver objects");
    return (await this.#reads.get("csidriver", { name }, signal)) as CSIDriver | undefined;
  }

  /** Which of the container runtime's handlers runs pods of this class. @throws as {@link driver} */
  async runtimeClass(name: string, signal: AbortSignal): Promise<RuntimeClass | undefined> {
    this.#requireOurs("RuntimeClass objects");
    return (await this.#reads.get("runtimeclass", { name }, signal)) as RuntimeClass | undefined;
  }

  /** Makes the node's CSINode list these drivers; `partial`: besides those that it lists. @throws as {@link driver} */
  async publish(
    { csiNode, partial }: { readonly csiNode: CSINode; readonly partial: boolean },
    signal: AbortSignal,
  ): Promise<CSINode> {
    this.#requireOurs("CSINode objects");
    const reply = await this.#cloud.ask(publishCsiNode(csiNode, partial), signal);
    return requireObject(readObjectResp<CSINode>(reply.content), { name: csiNode.metadata?.name ?? "" });
  }

  /** @throws as {@link driver} */
  async claimSize(key: ObjectKey, size: ClaimSize, signal: AbortSignal): Promise<void> {
    this.#requireOurs("sizes of claims");
    readOk((await this.#cloud.ask(reportClaimSize(key, size), signal)).content);
  }

  /** A stock cloud does not answer at all: each question would wait for its time limit. */
  #requireOurs(what: string): void {
    const { connected, agreed = false } = this.#connection;
    if (connected && !agreed) throw new MetaError(`this cloud does not know of ${what}`, { code: "NotSupported" });
  }
}
