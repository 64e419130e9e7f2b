import { type Device, DEVICES } from "@kedge/api";
import { parseKey } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Message, twinConfirmation } from "@kedge/protocol";
import { hasCode, type Logger, toError } from "@kedge/runtime";
import type { UpstreamMessage } from "../cloud-messages.ts";
import type { DeviceDownstream } from "./device-downstream.ts";
import type { DeviceView } from "./device-view.ts";
import type { NewestTwins } from "./newest-twins.ts";
import { type ReportedTwin, readStateReport, readTwinReport, ReportError } from "./read-report.ts";
import { formatVersions, readVersions } from "./reported-versions.ts";
import type { StatusWriter } from "./status-writer.ts";

export interface DeviceUpstreamDeps {
  readonly kube: KubeClient;
  readonly view: DeviceView;
  readonly writer: StatusWriter;
  readonly newest: NewestTwins;
  readonly downstream: DeviceDownstream;
  readonly logger: Logger;
  readonly send: (message: Message) => void;
}

interface DeviceReport {
  readonly node: string;
  /** Of the device. */
  readonly key: string;
  readonly kind: string;
  readonly content: unknown;
  readonly numbered: UpstreamMessage["numbered"];
}

const RESOURCE = /^device\/([^/]+\/[^/]+)\/(twin\/edge_updated|state\/update)$/;

/**
 * What edges report of their devices. Each report is confirmed once it is stored, and also when it never can be: the edge
 * would send it for ever (devices W8).
 */
export class DeviceUpstream {
  readonly #deps: DeviceUpstreamDeps;
  readonly #signal: AbortSignal;
  /** By node, one after the other: a node that names what it does not have must not use up what is for all. */
  readonly #reading = new Map<string, Promise<Device | undefined>>();

  constructor(deps: DeviceUpstreamDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /**
   * @param session aborts when nothing of this may be done any more.
   * @throws only for failures that may heal; the edge sends again what is not confirmed.
   */
  async handle({ node, message, numbered }: UpstreamMessage, session: AbortSignal): Promise<void> {
    const { downstream, logger, send } = this.#deps;
    const { resource = "" } = message.route;
    if (resource === "membership/detail") {
      downstream.sendMembership(node);
      send(twinConfirmation(node, message));
      return;
    }
    const [, key, kind] = RESOURCE.exec(resource) ?? [];
    if (key === undefined || kind === undefined) {
      logger.warn({ node, route: message.route }, "device message has no meaning");
      return;
    }
    try {
      await this.#store({ node, key, kind, content: message.content, numbered }, session);
    } catch (error) {
      if (this.#signal.aborted || session.aborted) return;
      if (!isFinal(error)) throw error;
      logger.warn({ node, device: key, error: toError(error) }, "device report refused");
    }
    send(twinConfirmation(node, message));
  }

  async #store({ node, key, kind, content, numbered }: DeviceReport, session: AbortSignal): Promise<void> {
    const { view, writer, newest, logger } = this.#deps;
    const known = view.devices.get(key);
    // Reports of one node stay in order: only for a device that is not the node's, for all that we know, we have to ask first.
    const device = known?.spec?.nodeName === node ? known : await this.#readInTurn(node, key);
    session.throwIfAborted();
    if (device?.spec?.nodeName !== node) {
      logger.debug({ node, device: key }, "report of a device that this node does not have");
      return;
    }
    if (kind === "state/update") return writer.report(key, { state: readStateReport(content) }, session);
    const before = numbered && readVersions(numbered.stream, device, view.status(key));
    // Only then: should the edge have started anew, or its database be an older one, its next report must not count as old.
    const earlier = numbered?.repeated === true ? before : undefined;
    const twins = newest.filter(key, twinsOf(device, readTwinReport(content)), earlier);
    const all = new Map([...(before ?? []), ...newest.versions(key)]);
    const versions = numbered && formatVersions(numbered.stream, device, all);
    await writer.report(key, { twins, ...(versions !== undefined && { versions }) }, session);
  }

  async #readInTurn(node: string, key: string): Promise<Device | undefined> {
    const before = this.#reading.get(node)?.catch(() => undefined) ?? Promise.resolve();
    const reading = before.then(() => this.#read(key));
    this.#reading.set(node, reading);
    try {
      return await reading;
    } finally {
      if (this.#reading.get(node) === reading) this.#reading.delete(node);
    }
  }

  /** Our copy may lag behind, for a device that was only just created, or came to this node. */
  async #read(key: string): Promise<Device | undefined> {
    try {
      return await this.#deps.kube.get(DEVICES, parseKey(key), this.#signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

/** Of properties that the Device has; names that an edge makes up must not cost us memory. */
function twinsOf({ spec }: Device, twins: ReadonlyMap<string, ReportedTwin>): ReadonlyMap<string, ReportedTwin> {
  const properties = new Set(spec?.properties?.map(({ name }) => name));
  return new Map([...twins].filter(([name]) => properties.has(name)));
}

/** Sending the same again would end the same. */
function isFinal(error: unknown): boolean {
  return error instanceof ReportError || hasCode(error, "Invalid") || hasCode(error, "RequestEntityTooLarge");
}
