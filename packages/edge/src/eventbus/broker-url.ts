import { EventBusError } from "./eventbus-error.ts";

export interface BrokerUrl {
  /** Scheme as the MQTT client knows it. */
  readonly protocol: "mqtt" | "mqtts" | "ws" | "wss";
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const PROTOCOLS: ReadonlyMap<string, BrokerUrl["protocol"]> = new Map([
  ["tcp:", "mqtt"],
  ["mqtt:", "mqtt"],
  ["ssl:", "mqtts"],
  ["tls:", "mqtts"],
  ["mqtts:", "mqtts"],
  ["ws:", "ws"],
  ["wss:", "wss"],
]);
const PORTS = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/**
 * Reads a broker's URL as KubeEdge's configuration has them: `tcp://127.0.0.1:1883`.
 *
 * @param key names it in errors.
 * @throws {EventBusError} `BadBrokerUrl`
 */
export function parseBrokerUrl(key: string, url: string): BrokerUrl {
  const bad = (why: string) =>
    new EventBusError(`modules.eventBus.${key} is ${JSON.stringify(url)}: ${why}`, { code: "BadBrokerUrl", key, url });
  const protocol = PROTOCOLS.get(/^[a-z]+:/.exec(url)?.[0] ?? "");
  if (protocol === undefined) throw bad(`the scheme must be one of tcp, mqtt, ssl, tls, mqtts, ws, wss`);
  // Node knows defaults and hosts of http alone.
  const parsed = URL.parse(`http:${url.slice(url.indexOf(":") + 1)}`);
  if (parsed === null || parsed.hostname === "") throw bad("write it as tcp://host:port");
  if (parsed.username !== "" || parsed.password !== "")
    throw bad("give user and password as mqttUsername, mqttPassword");
  const explicit = /:(\d+)(?:\/|$)/.exec(url.slice(url.indexOf("//") + 2))?.[1];
  return {
    protocol,
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: explicit === undefined ? PORTS[protocol] : Number(explicit),
    path: parsed.pathname,
  };
}
