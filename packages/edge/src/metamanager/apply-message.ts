import type { Device, DeviceModel } from "@kedge/api";
import type { CsiControllerCall } from "@kedge/cri";
import type { KubeObject, ObjectKey } from "@kedge/kube";
import {
  acknowledge,
  type Message,
  newMessage,
  Operation,
  parseObjectResource,
  processingError,
  readQueriedObject,
  requiresAck,
  VOLUME_OPERATIONS,
} from "@kedge/protocol";
import { type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import { isKubeObject } from "./answered-object.ts";
import { MetaError } from "./meta-error.ts";
import type { MetaStore } from "./meta-store.ts";

/** Types whose objects DeviceTwin wants to see, whoever in the cloud sent them. */
const TWIN_TYPES = new Set(["device", "devicemodel"]);

interface NamedObject {
  readonly type: string;
  readonly key: ObjectKey;
}

/** Applies what the cloud says: commit, hand on, then acknowledge. */
export class MessageApplier {
  readonly #store: MetaStore;
  readonly #bus: EdgeBus;
  readonly #logger: Logger;

  constructor(store: MetaStore, bus: EdgeBus, logger: Logger) {
    this.#store = store;
    this.#bus = bus;
    this.#logger = logger;
  }

  /** @returns the ack, an `error` message, or nothing if the cloud waits for neither. Never throws. */
  async apply(message: Message, signal: AbortSignal): Promise<Message | undefined> {
    try {
      const resource = parseObjectResource(message.route.resource);
      return await this.#applyTo(resource, message, signal);
    } catch (thrown) {
      const error = toError(thrown);
      this.#logger.error({ route: message.route, error }, "message from the cloud not applied");
      return processingError(message, error.message);
    }
  }

  async #applyTo(resource: NamedObject, message: Message, signal: AbortSignal): Promise<Message | undefined> {
    const operation = message.route.operation ?? "";
    switch (operation) {
      case "insert":
      case "update":
      case "delete": {
        const object = contentObject(resource, message);
        if (operation === "delete") await this.#remove(resource, object, message);
        else await this.#store.put(resource.type, resource.key, object);
        if (TWIN_TYPES.has(resource.type)) await this.#tellTwin(operation, object, signal);
        return acknowledge(message);
      }
      case "response":
        return this.#applyLateReply(resource, message);
      default:
        if (isCsiCall(operation)) return this.#callCsi(operation, message, signal);
        throw new MetaError(`operation ${JSON.stringify(operation)} is not supported yet`, {
          code: "Unsupported",
          operation,
          resource: message.route.resource ?? "",
        });
    }
  }

  /** Neither stored nor acknowledged: somebody waits for the answer. */
  async #callCsi(operation: CsiControllerCall, message: Message, signal: AbortSignal): Promise<Message> {
    const { source = "", group = "", resource = "" } = message.route;
    if (typeof message.content !== "string")
      throw new MetaError("a CSI call must carry its request as JSON text", { code: "BadMessage", resource });
    const content = await this.#bus.request("edged/csiCall", { operation, request: message.content }, signal);
    return newMessage({
      source,
      group,
      operation: Operation.response,
      resource,
      content,
      parentId: message.header.msg_id,
    });
  }

  async #remove({ type, key }: NamedObject, object: KubeObject, { header }: Message): Promise<void> {
    const { uid, resourceVersion = header.resourceversion } = object.metadata ?? {};
    await this.#store.remove(type, key, { uid: uid === "" ? undefined : uid, resourceVersion });
  }

  /** An answer whose asker gave up: what it says is stored all the same, and acked, or the cloud would repeat it. */
  async #applyLateReply({ type, key }: NamedObject, message: Message): Promise<Message | undefined> {
    if (!requiresAck(message)) return undefined;
    readQueriedObject(message.content); // or it is an error, which is reported
    await this.#store.put(type, key, contentObject({ type, key }, message));
    return acknowledge(message);
  }

  /**
   * A device counts as received once DeviceTwin has it, too. If that fails the cloud is told so, and says it again; should we
   * be restarted before, DeviceTwin lists everything at its start.
   */
  async #tellTwin(operation: "insert" | "update" | "delete", object: KubeObject, signal: AbortSignal): Promise<void> {
    if (!this.#bus.answers("twin/object")) return;
    await this.#bus.request("twin/object", { operation, object: object as Device | DeviceModel }, signal);
  }
}

function isCsiCall(operation: string): operation is CsiControllerCall {
  return VOLUME_OPERATIONS.has(operation);
}

/** @throws {MetaError} `BadMessage` if the content is not the object that the resource names. */
function contentObject({ key }: NamedObject, { content, route }: Message): KubeObject {
  const { name, namespace } = isKubeObject(content) ? (content.metadata ?? {}) : {};
  const sameNamespace = namespace === undefined || namespace === "" || namespace === key.namespace;
  if (!isKubeObject(content) || name !== key.name || !sameNamespace)
    throw new MetaError(`the content is not the object ${route.resource}, but ${namespace ?? ""}/${name ?? "none"}`, {
      code: "BadMessage",
      resource: route.resource ?? "",
    });
  return content;
}
