import type { Lease } from "@kedge/kube";
import { createLease, type Message, readObjectResp, updateLease } from "@kedge/protocol";
import { hasCode, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import { requireObject } from "./answered-object.ts";
import type { CloudRequests } from "./cloud-requests.ts";

/**
 * Writes the node's lease. Leases are not stored: nobody reads them offline, and a write every ten seconds wears out flash
 * (W-15). A cloud of ours that has written the same lease before is only told to renew it: that is what an idle node says
 * most.
 */
export class LeaseWriter {
  readonly #bus: EdgeBus;
  readonly #cloud: CloudRequests;
  readonly #logger: Logger;
  /** What the cloud last wrote for us, but for what changes with each renewal. */
  #written: string | undefined;

  constructor(bus: EdgeBus, cloud: CloudRequests, logger: Logger) {
    this.#bus = bus;
    this.#cloud = cloud;
    this.#logger = logger;
  }

  create(lease: Lease, signal: AbortSignal): Promise<Lease> {
    return this.#write(createLease, lease, signal);
  }

  /** @returns the lease as the cloud has it; of one that it only renewed, as it was asked for. */
  async update(lease: Lease, signal: AbortSignal): Promise<Lease> {
    if (this.#written === essence(lease) && (await this.#renew(signal))) return lease;
    return this.#write(updateLease, lease, signal);
  }

  async #renew(signal: AbortSignal): Promise<boolean> {
    if (!this.#bus.answers("hub/renewLease")) return false;
    try {
      await this.#bus.request("hub/renewLease", {}, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!hasCode(error, "NotSupported")) this.#logger.debug({ error: toError(error) }, "lease renewed the long way");
      return false;
    }
  }

  /** Without `managedFields`, which the API server keeps by itself: most of the message would be these. */
  async #write(write: (lease: Lease) => Message, lease: Lease, signal: AbortSignal): Promise<Lease> {
    this.#written = undefined;
    const { managedFields: _kept, ...metadata } = lease.metadata ?? {};
    const reply = await this.#cloud.ask(write({ ...lease, metadata }), signal);
    const { namespace, name = "" } = metadata;
    const written = requireObject(readObjectResp<Lease>(reply.content), { namespace, name });
    this.#written = essence(lease);
    return written;
  }
}

function essence({ metadata, spec }: Lease): string {
  const { namespace, name, ownerReferences } = metadata ?? {};
  return JSON.stringify([namespace, name, ownerReferences, spec?.holderIdentity, spec?.leaseDurationSeconds]);
}
