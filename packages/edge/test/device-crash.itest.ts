import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { openDatabase } from "@kedge/sqlite";
import { TestMqttClient } from "./test-mosquitto.ts";

const ROUNDS = 10;
const TOPIC = "$hw/events/device/default/counter/twin/update";

async function start(database: string): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(path.join(import.meta.dirname, "device-process.test-data.ts"), [database], { stdio: "ignore" });
  const [message] = (await once(child, "message")) as [{ port: number }];
  return { child, port: message.port };
}

test(
  "SIGKILL while devices report: what was acknowledged is stored, and still to be told to the cloud",
  { timeout: 120_000 },
  async () => {
    const dir = mkdtempSync(path.join(tmpdir(), "kedge-crash-"));
    let running: ChildProcess | undefined;
    try {
      const database = path.join(dir, "edge.db");
      let sent = 0;
      let acknowledged = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const { child, port } = await start(database);
        running = child;
        const killed = once(child, "exit");
        await using device = await TestMqttClient.connect(`tcp://127.0.0.1:${port}`, [], { reconnectPeriod: 0 });
        const killAfter = acknowledged + 20 + round * 7;
        while (child.exitCode === null && child.signalCode === null && !child.killed) {
          sent += 1;
          const value = sent;
          void device.publish(TOPIC, { twin: { n: { actual: { value: `${value}` } } } }).then(
            () => {
              acknowledged = Math.max(acknowledged, value);
              if (acknowledged >= killAfter) child.kill("SIGKILL");
            },
            () => undefined, // the broker is gone
          );
          await new Promise((resolve) => setImmediate(resolve));
        }
        await killed;
        running = undefined;
        const { stored, pending } = read(database);
        assert.ok(stored >= acknowledged, `round ${round}: ${acknowledged} was acknowledged, ${stored} is stored`);
        assert.deepEqual(pending, ["n"]);
      }
    } finally {
      running?.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    }
  },
);

function read(database: string): { stored: number; pending: string[] } {
  const db = openDatabase({ path: database });
  try {
    const row = db.prepare("SELECT actual FROM device_twin WHERE name = 'n'").get();
    const pending = db.prepare("SELECT property FROM kedge_twin_pending").all();
    return { stored: Number(row?.["actual"] ?? 0), pending: pending.map((one) => String(one["property"])) };
  } finally {
    db.close();
  }
}
