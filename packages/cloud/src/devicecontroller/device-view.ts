import {
  type Device,
  DEVICE_MODELS,
  DEVICE_STATUSES,
  type DeviceModel,
  DEVICES,
  DEVICES_API_VERSION,
  type DeviceStatus,
} from "@kedge/api";
import { compareResourceVersions, type KubeObject, keyOf, type ResourceType } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, type Clock, CodedError, Component, hasCode, type Logger } from "@kedge/runtime";

export interface DeviceViewDeps {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** DeviceController cannot work. */
export class DeviceControllerError extends CodedError<{ readonly code: "CrdsMissing"; readonly resource: string }> {}

/** The cluster's devices, their models and statuses, kept up to date. */
export class DeviceView extends Component {
  readonly devices: Informer<Device>;
  readonly models: Informer<DeviceModel>;
  readonly statuses: Informer<DeviceStatus>;
  /** Statuses that we wrote and that the informer has not seen yet. */
  readonly #written = new Map<string, DeviceStatus>();

  private constructor({ kube, ...options }: DeviceViewDeps) {
    super();
    this.devices = new Informer<Device>(kube, DEVICES, {
      ...options,
      transform: (device) => complete(device, "Device"),
      indexes: {
        node: ({ spec }) => (spec?.nodeName === undefined || spec.nodeName === "" ? [] : [spec.nodeName]),
        model: (device) => (modelKey(device) === undefined ? [] : [modelKey(device) ?? ""]),
      },
    });
    this.models = new Informer<DeviceModel>(kube, DEVICE_MODELS, {
      ...options,
      transform: (model) => complete(model, "DeviceModel"),
    });
    this.statuses = new Informer<DeviceStatus>(kube, DEVICE_STATUSES, options);
    this.statuses.onChange((old, status) => {
      const key = keyOf(status ?? old ?? {});
      const written = this.#written.get(key);
      const { resourceVersion } = status?.metadata ?? {};
      if (status === undefined || compareResourceVersions(resourceVersion, written?.metadata?.resourceVersion) >= 0)
        this.#written.delete(key);
    });
  }

  /** @throws {DeviceControllerError} `CrdsMissing`; the signal's reason if it aborts before all is read. */
  static async start(deps: DeviceViewDeps, signal: AbortSignal): Promise<DeviceView> {
    for (const type of [DEVICES, DEVICE_MODELS, DEVICE_STATUSES] as ResourceType[])
      try {
        await deps.kube.list(type, { limit: 1 }, signal);
      } catch (error) {
        if (!hasCode(error, "NotFound")) throw error;
        throw new DeviceControllerError(
          `the cluster does not know ${type.kind} (${DEVICES_API_VERSION}): run kubectl apply -f manifests/crds/, or set modules.deviceController.enable: false`,
          { code: "CrdsMissing", resource: `${type.resource}.${type.group}` },
          { cause: error },
        );
      }
    await using scope = new AsyncDisposableStack();
    const view = scope.use(new DeviceView(deps));
    await abortable(
      Promise.all([view.devices.synced, view.models.synced, view.statuses.synced]).then(() => undefined),
      signal,
    );
    scope.move();
    return view;
  }

  devicesOf(node: string): Device[] {
    return this.devices.byIndex("node", node);
  }

  /** Devices that use a model, whichever node has them. */
  devicesWith(model: string): Device[] {
    return this.devices.byIndex("model", model);
  }

  modelOf(device: Device): DeviceModel | undefined {
    const key = modelKey(device);
    return key === undefined ? undefined : this.models.get(key);
  }

  /** Whether this node needs the model, for any of its devices but `except`. */
  needsModel(node: string, model: string, except?: string): boolean {
    return this.devicesWith(model).some((device) => device.spec?.nodeName === node && keyOf(device) !== except);
  }

  /** The latest status that we know of, our own writes included. */
  status(key: string): DeviceStatus | undefined {
    return this.#written.get(key) ?? this.statuses.get(key);
  }

  /** What the API server answered to a write of ours. */
  noteWritten(status: DeviceStatus): void {
    const key = keyOf(status);
    const known = this.statuses.get(key)?.metadata?.resourceVersion;
    if (compareResourceVersions(status.metadata?.resourceVersion, known) > 0) this.#written.set(key, status);
  }

  /** Our write met no such object. */
  noteGone(key: string): void {
    this.#written.delete(key);
  }

  protected override async stop(): Promise<void> {
    for (const informer of [this.devices, this.models, this.statuses]) await informer[Symbol.asyncDispose]();
  }
}

/** Key of the model that a device uses; a device without one is nobody's harm (devices W1). */
export function modelKey(device: Device): string | undefined {
  const name = device.spec?.deviceModelRef?.name;
  return name === undefined || name === "" ? undefined : `${device.metadata?.namespace}/${name}`;
}

/** The API server leaves kind and version out of lists; the edge needs them. */
function complete<T extends KubeObject>(object: T, kind: string): T {
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  object.kind = kind;
  object.apiVersion = DEVICES_API_VERSION;
  return object;
}
