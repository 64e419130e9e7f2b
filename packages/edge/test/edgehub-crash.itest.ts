import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestChannel } from "../src/edgehub/test-channel.test-data.ts";
import { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";

const KILLS = 8;
/** Given at once; a kill comes while some of them are on their way. */
const BURST = 40;

test(
  "W36: an agent killed at any moment loses nothing that it accepted, and a cloud of ours does nothing twice",
  { timeout: 60_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "kedge-crash-"));
    await using scope = new AsyncDisposableStack();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const cloud = scope.use(await TestCloud.start());
    const channel = new TestChannel();
    cloud.channel = channel;
    const accepted: number[] = [];
    let child: ChildProcess | undefined;
    scope.defer(() => void child?.kill("SIGKILL"));
    const start = async () => {
      const started = fork(join(import.meta.dirname, "hub-process.test-data.ts"), [
        folder,
        cloud.server,
        cloud.httpServer,
        cloud.token,
      ]);
      child = started;
      await once(started, "message");
      started.on("message", (number) => accepted.push(Number(number)));
      return started;
    };

    let next = 1;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const agent = await start();
      const enough = accepted.length + Math.ceil(Math.random() * BURST);
      for (let n = 0; n < BURST; n += 1) {
        agent.send(next);
        next += 1;
      }
      while (accepted.length < enough) await once(agent, "message");
      // Some moment between the commit, the send, the answer, and the removal.
      if (kill % 2 === 0) await channel.until(() => channel.effects.length > 0);
      await delay(Math.random() * 30);
      agent.kill("SIGKILL");
      await once(agent, "exit");
    }
    await start();
    const done = () => new Set(channel.effects.map(({ content }) => Number(content)));
    await channel.until(() => {
      const numbers = done();
      return accepted.every((number) => numbers.has(number));
    });
    const effects = channel.effects.map(({ content }) => Number(content));
    t.diagnostic(`${accepted.length} accepted of ${next - 1}, ${cloud.links.length} links`);
    assert.equal(new Set(effects).size, effects.length, "once");
    assert.deepEqual(
      effects,
      effects.toSorted((a, b) => a - b),
      "in order",
    );
  },
);
