import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBrokerUrl } from "./broker-url.ts";

const cases: [url: string, expected: string][] = [
  ["tcp://127.0.0.1:1883", "mqtt 127.0.0.1 1883 /"],
  ["mqtt://broker", "mqtt broker 1883 /"],
  ["ssl://broker.example:8884", "mqtts broker.example 8884 /"],
  ["tls://broker", "mqtts broker 8883 /"],
  ["ws://broker:80/mqtt", "ws broker 80 /mqtt"],
  ["wss://broker/mqtt", "wss broker 443 /mqtt"],
  ["tcp://[::1]:1884", "mqtt ::1 1884 /"],
  ["tcp://127.0.0.1:0", "mqtt 127.0.0.1 0 /"],
];
for (const [url, expected] of cases)
  test(`reads ${url}`, () => {
    const { protocol, host, port, path } = parseBrokerUrl("mqttServerExternal", url);
    assert.equal(`${protocol} ${host} ${port} ${path}`, expected);
  });

for (const url of ["", "127.0.0.1:1883", "http://x", "tcp:", "tcp://", "tcp://x:99999", "tcp://u:p@x"])
  test(`refuses ${JSON.stringify(url)}, naming the key`, () =>
    assert.throws(() => parseBrokerUrl("mqttServerExternal", url), {
      code: "BadBrokerUrl",
      message: /modules\.eventBus\.mqttServerExternal/,
    }));
