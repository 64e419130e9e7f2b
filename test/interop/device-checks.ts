import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { type Device, DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "@kedge/api";
import { deferred } from "@kedge/runtime";
import { connectAsync, type MqttClient } from "mqtt";
import { NAMESPACE, type TestBed } from "../e2e/test-bed.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, type Check, key, signal, type StockDefect } from "./check.ts";

export const DEVICE = "thermometer";
const topic = (suffix: string) => `$hw/events/device/${NAMESPACE}/${DEVICE}/twin/${suffix}`;

/** A device's driver at the node's MQTT broker. */
export class Driver implements AsyncDisposable {
  readonly #mqtt: MqttClient;

  private constructor(mqtt: MqttClient) {
    this.#mqtt = mqtt;
  }

  static async connect(bed: TestBed): Promise<Driver> {
    const mqtt = await connectAsync(bed.node.mqttUrl, { reconnectPeriod: 200 });
    await mqtt.subscribeAsync(topic("update/delta"), { qos: 1 });
    return new Driver(mqtt);
  }

  async report(property: string, value: string): Promise<void> {
    const twin = { [property]: { actual: { value } } };
    const message = { event_id: "", timestamp: Date.now(), twin };
    await this.#mqtt.publishAsync(topic("update"), JSON.stringify(message), { qos: 1 });
  }

  /** Resolves once the edge has asked for this value of `target`. */
  async asked(target: string): Promise<void> {
    const seen = deferred();
    const listener = (_topic: string, payload: Buffer) => {
      const message = JSON.parse(payload.toString()) as { delta?: { target?: string } };
      if (message.delta?.target === target) seen.resolve();
    };
    this.#mqtt.on("message", listener);
    const timer = setTimeout(() => seen.reject(new Error(`no delta with target ${target}`)), BOTH_ENDS_MS);
    await seen.promise.finally(() => clearTimeout(timer));
    this.#mqtt.off("message", listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mqtt.endAsync(true);
  }
}

/** Resolves once the API shows what the device reported. */
export async function reported(bed: TestBed, property: string, value: string): Promise<void> {
  await waitForObject(
    bed.cloud.kube,
    DEVICE_STATUSES,
    key(DEVICE),
    (status) => status?.status?.twins?.some((twin) => twin.propertyName === property && twin.reported?.value === value),
    BOTH_ENDS_MS,
  );
}

export async function desire(bed: TestBed, value: string): Promise<void> {
  const body = [{ op: "replace", path: "/spec/properties/1/desired/value", value }];
  await bed.cloud.kube.patch(DEVICES, key(DEVICE), { type: "json", body }, signal());
}

/** A stock edge hands a desired value to drivers that speak DMI; here we look at what it has got. */
async function deviceIsStored(bed: TestBed, desired: string): Promise<void> {
  using database = new DatabaseSync(join(bed.node.containerd.root, "edgecore.db"), { readOnly: true, timeout: 5_000 });
  const row = database.prepare("SELECT value FROM meta WHERE key = ?");
  const timeout = AbortSignal.timeout(BOTH_ENDS_MS);
  for (;;) {
    const { value = "{}" } = (row.get(`${NAMESPACE}/device/${DEVICE}`) ?? {}) as { value?: string };
    const device = JSON.parse(value) as Device;
    if (device.spec?.properties?.some((property) => property.desired?.value === desired) === true) return;
    await delay(100, undefined, { signal: timeout }); // a database tells nobody
  }
}

/** A thermometer with a target, at first 21.5. */
export async function createDevice(bed: TestBed): Promise<void> {
  const metadata = { namespace: NAMESPACE, name: DEVICE };
  await bed.cloud.kube.create(
    DEVICE_MODELS,
    {
      metadata,
      spec: {
        protocol: "mqtt",
        properties: [
          { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
          { name: "target", type: "FLOAT", accessMode: "ReadWrite" },
        ],
      },
    },
    signal(),
  );
  await bed.cloud.kube.create(
    DEVICES,
    {
      metadata,
      spec: {
        deviceModelRef: { name: DEVICE },
        nodeName: bed.node.name,
        protocol: { protocolName: "mqtt" },
        properties: [
          { name: "temperature", reportToCloud: true },
          { name: "target", reportToCloud: true, desired: { value: "21.5" } },
        ],
      },
    },
    signal(),
  );
}

const DMI_ONLY: StockDefect = {
  weakness: "a desired value reaches drivers over DMI alone, not over MQTT",
  run: async (bed) => {
    await createDevice(bed);
    await deviceIsStored(bed, "21.5");
    await desire(bed, "23");
    await deviceIsStored(bed, "23");
  },
};

const FIRST_REPORT_EMPTY: StockDefect = {
  weakness: "devices W2: the first report of a property is stored without its value",
  run: async (bed) => {
    await using driver = await Driver.connect(bed);
    for (const [property, value] of [
      ["temperature", "18.5"],
      ["target", "23"],
    ] as const) {
      await driver.report(property, value);
      await reported(bed, property, "");
      await driver.report(property, value);
      await reported(bed, property, value);
    }
  },
};

const OFFLINE_REPORT_LOST: StockDefect = {
  weakness: "devices W13: what a device reports while the cloud is away is lost",
  run: async (bed) => {
    await using driver = await Driver.connect(bed);
    await bed.cloud.kill();
    await desire(bed, "24");
    await bed.cloud.start();
    await deviceIsStored(bed, "24");
    await driver.report("temperature", "19.75");
    await reported(bed, "temperature", "19.75");
  },
};

export const DEVICE_CHECKS: readonly Check[] = [
  {
    name: "a device's desired value reaches its driver, and so does a change of it",
    run: async (bed) => {
      await using driver = await Driver.connect(bed);
      const first = driver.asked("21.5");
      await createDevice(bed);
      await first;
      const second = driver.asked("23");
      await desire(bed, "23");
      await second;
    },
    stockDefects: { "stock edge, our cloud": DMI_ONLY, "stock, both": DMI_ONLY },
  },
  {
    name: "a device's reports reach the API",
    run: async (bed) => {
      await using driver = await Driver.connect(bed);
      await driver.report("temperature", "18.5");
      await reported(bed, "temperature", "18.5");
      await driver.report("target", "23");
      await reported(bed, "target", "23");
    },
    stockDefects: { "our edge, stock cloud": FIRST_REPORT_EMPTY, "stock, both": FIRST_REPORT_EMPTY },
  },
];

export const DEVICE_OUTAGE_CHECKS: readonly Check[] = [
  {
    name: "a report made, and a desired value changed, while the cloud is away arrive when it is back",
    run: async (bed) => {
      await using driver = await Driver.connect(bed);
      await bed.cloud.kill();
      await driver.report("temperature", "19.75");
      await desire(bed, "24");
      const asked = driver.asked("24");
      await bed.cloud.start();
      await reported(bed, "temperature", "19.75");
      await asked;
    },
    stockDefects: { "stock edge, our cloud": OFFLINE_REPORT_LOST, "stock, both": OFFLINE_REPORT_LOST },
  },
];
