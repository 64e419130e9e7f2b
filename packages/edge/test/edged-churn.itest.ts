import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { PodSandboxState } from "@kedge/cri";
import { TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged } from "./edged-harness.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const STEPS = 40;
const TIMEOUT_MS = 120_000;
const CHECK_MS = 50;

/** The same numbers for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(
  "whatever comes and goes, in the end what is stored is what runs",
  {
    timeout: TIMEOUT_MS,
    skip: TestContainerd.missing(),
  },
  async (context) => {
    const seed = Number(process.env["KEDGE_SEED"] ?? randomInt(2 ** 31));
    context.diagnostic(`KEDGE_SEED=${seed}`);
    const random = mulberry32(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    await using containerd = await TestContainerd.start();
    await using edged = await startTestEdged(containerd, { relistIntervalMs: 1_000 });
    const { meta, config } = edged;

    for (let step = 0; step < STEPS; step += 1) {
      const name = pick(NAMES);
      const key = { namespace: "default", name };
      const what = pick([
        "create",
        "create",
        "create",
        "delete",
        "remove",
        "replace",
        "crash",
        "offline",
        "restart",
        "runtime",
      ]);
      const present = meta.get(name);
      if (what === "create" && present === undefined) meta.apply(podOf(name, SERVE));
      else if (what === "replace") meta.apply(podOf(name, SERVE));
      else if (what === "crash" && present === undefined) meta.apply(podOf(name, pick(["exit 1", "exit 0"])));
      else if (what === "delete") meta.delete(key, 1);
      else if (what === "remove") meta.remove(key);
      else if (what === "offline") meta.offline = !meta.offline;
      else if (what === "restart") await edged.restart();
      else if (what === "runtime") {
        await containerd.stopDaemon();
        await containerd.startDaemon();
      }
      await delay(Math.floor(random() * 150)); // chance is the subject here: work is met at every stage
    }
    meta.offline = false;
    meta.bus.notify("hub/connection", { connected: true });
    for (const name of NAMES) if (random() < 0.5) meta.delete({ namespace: "default", name }, 1);

    const signal = AbortSignal.timeout(60_000);
    const wrong = async (): Promise<string | undefined> => {
      const stored = new Map([...meta.pods.values()].map((pod) => [pod.metadata?.uid ?? "", pod]));
      for (const [uid, pod] of stored) {
        if (pod.metadata?.deletionTimestamp !== undefined) return `${uid} is still ending`;
        const state = pod.status?.containerStatuses?.[0];
        const serves = pod.spec?.containers[0]?.command?.[2] === SERVE;
        if (serves ? state?.ready !== true : state?.state?.waiting?.reason !== "CrashLoopBackOff")
          return `${uid} is ${JSON.stringify(state)}`;
      }
      const { runtime } = containerd.client;
      for (const sandbox of await runtime.listPodSandboxes({}, signal)) {
        const uid = sandbox.labels["io.kubernetes.pod.uid"] ?? "";
        if (!stored.has(uid)) return `sandbox of ${uid} is left`;
      }
      const ready = (await runtime.listPodSandboxes({}, signal)).filter(
        ({ state }) => state === PodSandboxState.SANDBOX_READY,
      );
      if (ready.length !== stored.size) return `${ready.length} sandboxes for ${stored.size} pods`;
      for (const directory of [join(config.rootDirectory, "pods"), config.podLogsDirectory])
        for (const entry of await readdir(directory))
          if (![...stored.keys()].some((uid) => entry.endsWith(uid))) return `${directory}/${entry} is left`;
      return undefined;
    };
    for (let reason = await wrong(); reason !== undefined; reason = await wrong()) {
      assert.ok(!signal.aborted, `KEDGE_SEED=${seed}: ${reason}`);
      await delay(CHECK_MS, undefined, { signal }).catch(() => assert.fail(`KEDGE_SEED=${seed}: ${reason}`));
    }
  },
);
