import { createLogger } from "@kedge/runtime";
import { connect } from "mqtt";
import { Sensor } from "./sensor.ts";

/** `sensor-main.ts BROKER_URL NAMESPACE/DEVICE`: the sample device as a process of its own. */
const [broker = "mqtt://127.0.0.1:1884", device = "default/thermometer"] = process.argv.slice(2);
const logger = createLogger({ program: "sensor", device });
const life = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => life.abort());

const client = connect(broker, { reconnectPeriod: 1_000, connectTimeout: 10_000 });
client.on("error", (error) => logger.warn({ error: error.message }, "the broker does not answer; trying again"));
client.on("connect", () => logger.info("connected to the broker"));
logger.info({ broker }, "sensor runs");
await new Sensor(client, device, logger).run(life.signal);
await client.endAsync(true);
