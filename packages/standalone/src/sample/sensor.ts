import { randomUUID } from "node:crypto";
import { type Logger, systemClock } from "@kedge/runtime";
import type { MqttClient } from "mqtt";

const REPORT_INTERVAL_MS = 5_000;
/** How much of the way to its target the room gets in one interval. */
const APPROACH = 0.3;

/** A device's twin topics, as KubeEdge lays them out; `device` is `<namespace>/<name>`. */
function twinTopic(device: string, suffix: string): string {
  return `$hw/events/device/${device}/twin/${suffix}`;
}

/** The desired values among a delta's, or a twin/get result's, properties. */
function desiredTarget(payload: string): string | undefined {
  const { delta, twin } = JSON.parse(payload) as {
    delta?: { target?: string };
    twin?: { target?: { expected?: { value?: string } } };
  };
  return delta?.target ?? twin?.target?.expected?.value;
}

/**
 * The sample's device: a thermostat that knows nothing but MQTT. It takes its target from the twin, and reports target
 * and temperature.
 */
export class Sensor {
  readonly #client: MqttClient;
  readonly #device: string;
  readonly #logger: Logger;
  #target: number | undefined;
  #temperature = 18;

  constructor(client: MqttClient, device: string, logger: Logger) {
    this.#client = client;
    this.#device = device;
    this.#logger = logger;
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#client.on("message", (topic, payload) => this.#receive(topic, payload.toString()));
    await this.#client.subscribeAsync([
      twinTopic(this.#device, "update/delta"),
      twinTopic(this.#device, "get/result"),
      twinTopic(this.#device, "update/result"),
    ]);
    while (!signal.aborted) {
      if (this.#target === undefined) this.#ask();
      else this.#temperature += (this.#target - this.#temperature) * APPROACH;
      this.#report();
      await systemClock.sleep(REPORT_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  #ask(): void {
    const question = { event_id: randomUUID(), timestamp: Date.now() };
    this.#client.publish(twinTopic(this.#device, "get"), JSON.stringify(question));
  }

  #receive(topic: string, payload: string): void {
    try {
      if (topic.endsWith("/update/result")) {
        const { code, reason } = JSON.parse(payload) as { code?: number; reason?: string };
        if (code !== undefined && code !== 0) this.#logger.warn({ code, reason }, "the node refused a report");
        return;
      }
      const wanted = Number(desiredTarget(payload) ?? Number.NaN);
      if (!Number.isFinite(wanted) || wanted === this.#target) return;
      this.#logger.info({ target: wanted }, "new target");
      this.#target = wanted;
      this.#report();
    } catch (error) {
      this.#logger.warn({ topic, error }, "cannot read this message");
    }
  }

  #report(): void {
    const now = Date.now();
    const actual = (value: string, type: string) => ({
      actual: { value, metadata: { timestamp: now } },
      metadata: { type },
    });
    const twin = {
      temperature: actual(this.#temperature.toFixed(1), "float"),
      ...(this.#target !== undefined && { target: actual(String(this.#target), "float") }),
    };
    const report = JSON.stringify({ event_id: randomUUID(), timestamp: now, twin });
    this.#client.publish(twinTopic(this.#device, "update"), report);
  }
}
