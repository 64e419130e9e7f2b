import type { CloudCoreConfig, Device, DeviceModel } from "@kedge/api";
import { keyOf } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import type { Message } from "@kedge/protocol";
import { type Clock, Component, type Logger, toError } from "@kedge/runtime";
import type { CloudBus } from "./cloud-bus.ts";
import { DeviceDownstream } from "./device-downstream.ts";
import { DeviceUpstream } from "./device-upstream.ts";
import { DeviceView } from "./device-view.ts";
import { NewestTwins } from "./newest-twins.ts";
import { StatusWriter } from "./status-writer.ts";

/** `modules.deviceController` of cloudcore.yaml. Nothing is buffered between parts, so its buffers have no effect. */
export type DeviceControllerConfig = CloudCoreConfig["modules"]["deviceController"];

export interface DeviceControllerDeps {
  readonly kube: KubeClient;
  readonly bus: CloudBus;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Between the cluster's devices and the nodes that have them: what is wanted goes down, what is reported goes up. */
export class DeviceController extends Component {
  readonly #view: DeviceView;
  readonly #scope: AsyncDisposableStack;

  private constructor(view: DeviceView, scope: AsyncDisposableStack) {
    super();
    this.#view = view;
    this.#scope = scope;
  }

  /** @throws {DeviceControllerError} `CrdsMissing`; the signal's reason if it aborts before the devices are read. */
  static async start(
    config: DeviceControllerConfig,
    deps: DeviceControllerDeps,
    signal: AbortSignal,
  ): Promise<DeviceController> {
    await using scope = new AsyncDisposableStack();
    const { kube, bus, logger, clock } = deps;
    const life = new AbortController();
    const view = scope.use(await DeviceView.start({ kube, logger, clock }, signal));
    const newest = new NewestTwins();
    const writer = scope.use(new StatusWriter(config.load.updateDeviceStatusWorkers, { kube, view, logger, clock }));
    const send = (message: Message) => {
      bus.request("hub/send", message, life.signal).catch((error: unknown) => {
        if (!life.signal.aborted) logger.error({ route: message.route, error: toError(error) }, "not sent");
      });
    };
    const downstream = scope.use(new DeviceDownstream({ bus, view, clock, send }));
    const upstream = new DeviceUpstream({ kube, view, writer, newest, downstream, logger, send }, life.signal);
    scope.use(view.devices.onChange((old, device) => newest.forget(keyOf(device ?? old ?? {}))));
    scope.use(
      bus.listen("hub/session", ({ node }) => {
        for (const device of view.devicesOf(node)) newest.forget(keyOf(device));
      }),
    );
    scope.use(bus.handle("device/upstream", (report, session) => upstream.handle(report, session)));
    scope.defer(() => life.abort(new DOMException("DeviceController stopped", "AbortError")));
    return new DeviceController(view, scope.move());
  }

  /** The Device, if this node should have it; SyncController compares with it. */
  deviceFor(node: string, key: string): Device | undefined {
    const device = this.#view.devices.get(key);
    return device?.spec?.nodeName === node ? device : undefined;
  }

  /** The DeviceModel, if a device of this node uses it. */
  modelFor(node: string, key: string): DeviceModel | undefined {
    return this.#view.needsModel(node, key) ? this.#view.models.get(key) : undefined;
  }

  protected override async stop(): Promise<void> {
    await this.#scope.disposeAsync();
  }
}
