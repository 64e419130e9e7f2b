import { randomUUID } from "node:crypto";
import type { Device, DeviceModel } from "@kedge/api";
import { type KubeObject, keyOf } from "@kedge/kube";
import {
  Group,
  type MembershipDevice,
  membershipUpdate,
  type Message,
  newMessage,
  objectPush,
  Operation,
  Source,
  toNode,
} from "@kedge/protocol";
import { type Clock, Component, deferred } from "@kedge/runtime";
import type { CloudBus } from "./cloud-bus.ts";
import { type DeviceView, modelKey } from "./device-view.ts";

export interface DeviceDownstreamDeps {
  readonly bus: CloudBus;
  readonly view: DeviceView;
  readonly clock: Clock;
  readonly send: (message: Message) => void;
}

/** A device goes down without its model if that has not come by then. */
const MODEL_WAIT_MS = 500;

type PushOperation = "insert" | "update" | "delete";

/**
 * Tells connected nodes of their devices and of the models of those. A node that connects is told everything; CloudHub
 * leaves out what it has acknowledged before, so nothing is lost while a node is away.
 */
export class DeviceDownstream extends Component {
  readonly #deps: DeviceDownstreamDeps;
  readonly #connected = new Set<string>();
  /** Models that devices wait for, for a moment. */
  readonly #awaited = new Map<string, PromiseWithResolvers<void>>();
  readonly #scope = new DisposableStack();

  constructor(deps: DeviceDownstreamDeps) {
    super();
    this.#deps = deps;
    const { bus, view } = deps;
    this.#scope.use(bus.listen("hub/session", ({ node, connected }) => this.#sessionChanged(node, connected)));
    this.#scope.use(view.devices.onChange((old, device) => this.#deviceChanged(old, device)));
    this.#scope.use(view.models.onChange((old, model) => this.#modelChanged(old, model)));
  }

  /** All devices of a node: the edge asks on connecting, and drops what is not listed. */
  sendMembership(node: string): void {
    const { view, clock, send } = this.#deps;
    const devices = view.devicesOf(node).map(element);
    send(
      newMessage({
        source: Source.deviceController,
        group: Group.twin,
        operation: Operation.update,
        resource: toNode(node, "membership/detail"),
        content: { event_id: randomUUID(), timestamp: clock.now(), devices },
      }),
    );
  }

  #sessionChanged(node: string, connected: boolean): void {
    if (!connected) return void this.#connected.delete(node);
    this.#connected.add(node);
    const { view } = this.#deps;
    const devices = view.devicesOf(node);
    const models = new Set(devices.flatMap((device) => view.modelOf(device) ?? []));
    for (const model of models) this.#push(node, "insert", model);
    for (const device of devices) this.#push(node, "insert", device);
  }

  #deviceChanged(old: Device | undefined, device: Device | undefined): void {
    const before = nodeOf(old);
    const after = nodeOf(device);
    if (old !== undefined && before !== "" && before !== after) this.#leave(before, old);
    if (device === undefined || after === "") return;
    if (before !== after) this.#enter(after, device);
    else if (old !== undefined) this.#update(after, old, device);
  }

  /** First the membership, then the model, then the device: what each needs is there before it. */
  #enter(node: string, device: Device): void {
    this.#sendMembershipChange(node, [element(device)], null);
    const { view } = this.#deps;
    const model = view.modelOf(device);
    const awaited = modelKey(device);
    if (model === undefined && awaited !== undefined && this.#connected.has(node)) {
      void this.#enterAfterModel(node, keyOf(device), awaited);
      return;
    }
    if (model !== undefined && !view.needsModel(node, keyOf(model), keyOf(device))) this.#push(node, "insert", model);
    this.#push(node, "insert", device);
  }

  /** Models and devices come to us on two ways: a model created just before its device may be seen just after it. */
  async #enterAfterModel(node: string, key: string, model: string): Promise<void> {
    const { view, clock } = this.#deps;
    const arrival = this.#awaited.get(model) ?? deferred();
    this.#awaited.set(model, arrival);
    await Promise.race([arrival.promise, clock.sleep(MODEL_WAIT_MS, this.signal).catch(() => undefined)]);
    this.#awaited.delete(model);
    const device = view.devices.get(key);
    if (device !== undefined && nodeOf(device) === node && !this.signal.aborted) this.#push(node, "insert", device);
  }

  #leave(node: string, device: Device): void {
    this.#sendMembershipChange(node, null, [element(device)]);
    this.#dropModel(node, device);
    this.#push(node, "delete", device);
  }

  #update(node: string, old: Device, device: Device): void {
    const { view } = this.#deps;
    const key = modelKey(device);
    if (key !== modelKey(old)) {
      const model = view.modelOf(device);
      if (model !== undefined && key !== undefined && !view.needsModel(node, key, keyOf(device)))
        this.#push(node, "insert", model);
      this.#push(node, "update", device);
      this.#dropModel(node, old);
    } else this.#push(node, "update", device);
  }

  /** The model of a device that does not use it any more, unless another device of the node does. */
  #dropModel(node: string, device: Device): void {
    const { view } = this.#deps;
    const model = view.modelOf(device);
    if (model !== undefined && !view.needsModel(node, keyOf(model), keyOf(device))) this.#push(node, "delete", model);
  }

  /** A model that comes late, changes, or goes concerns each node that has a device of it. */
  #modelChanged(old: DeviceModel | undefined, model: DeviceModel | undefined): void {
    const changed = model ?? old;
    if (changed === undefined) return;
    const operation = model === undefined ? "delete" : old === undefined ? "insert" : "update";
    const nodes = new Set(this.#deps.view.devicesWith(keyOf(changed)).map(nodeOf));
    for (const node of nodes) this.#push(node, operation, changed);
    this.#awaited.get(keyOf(changed))?.resolve();
  }

  #push(node: string, operation: PushOperation, object: KubeObject): void {
    if (this.#connected.has(node)) this.#deps.send(objectPush({ node, source: "devicecontroller", operation, object }));
  }

  #sendMembershipChange(
    node: string,
    added: readonly MembershipDevice[] | null,
    removed: readonly MembershipDevice[] | null,
  ): void {
    const { clock, send } = this.#deps;
    if (this.#connected.has(node)) send(membershipUpdate(node, { eventId: randomUUID(), added, removed }, clock.now()));
  }

  protected override stop(): Promise<void> {
    this.#scope.dispose();
    return Promise.resolve();
  }
}

function nodeOf(device: Device | undefined): string {
  return device?.spec?.nodeName ?? "";
}

function element(device: Device): MembershipDevice {
  const { name = "", labels } = device.metadata ?? {};
  const description = labels?.["description"];
  return { id: keyOf(device), name, ...(description !== undefined && description !== "" && { description }) };
}
