import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { type ConfigMap, CONFIG_MAPS, type Namespace, NAMESPACES } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { RevisionLog } from "../../src/storage/revision-log.ts";

const ROUNDS = 50;
const WRITERS = 8;
/** A round kills once so many writes were acknowledged, in the middle of further ones. */
const ACKNOWLEDGED_MIN = 40;
const SERVER = join(import.meta.dirname, "crash-server.ts");

interface Running extends AsyncDisposable {
  readonly kube: KubeClient;
  kill(): Promise<void>;
}

async function startServer(stateDir: string): Promise<Running> {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(stateDir, "compiled") }; // fifty starts: half the time is loading
  const child: ChildProcess = spawn(process.execPath, [SERVER, stateDir], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  try {
    assert.ok(child.stdout);
    const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), exited])) as [unknown];
    assert.match(String(line), /^https:/, "the server did not start");
    const kube = connectKube(loadKubeconfig(join(stateDir, "admin.kubeconfig")));
    return {
      kube,
      kill,
      async [Symbol.asyncDispose]() {
        await kill();
        await kube[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** What the server said it has stored: name → the last acknowledged counter; writes under way may also have made it. */
type Acknowledged = Map<string, { value: number; revision: number; attempted: number }>;

async function hammer(kube: KubeClient, name: string, acknowledged: Acknowledged, signal: AbortSignal): Promise<void> {
  const state = acknowledged.get(name) ?? { value: 0, revision: 0, attempted: 0 };
  acknowledged.set(name, state);
  while (!signal.aborted) {
    const next = state.attempted + 1;
    state.attempted = next;
    const metadata = { namespace: "default", name };
    const object: ConfigMap = { metadata, data: { value: String(next) } };
    const stored =
      state.value === 0
        ? await kube.create(CONFIG_MAPS, object, signal).catch(async () => kube.update(CONFIG_MAPS, object, signal)) // an unacknowledged create of a round before
        : await kube.update(CONFIG_MAPS, object, signal);
    state.value = next;
    state.revision = Number(stored.metadata?.resourceVersion);
  }
}

test(`no acknowledged write is lost when the server is killed ${ROUNDS} times`, { timeout: 600_000 }, async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "kedge-crash-"));
  const acknowledged: Acknowledged = new Map();
  let newest = 0;
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await using server = await startServer(stateDir);
      await check(server.kube, acknowledged);
      newest = await hammerAndKill(server, acknowledged, newest, round);
    }
    await using server = await startServer(stateDir);
    await check(server.kube, acknowledged);
    await server.kill();
    checkLog(stateDir);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});

async function hammerAndKill(
  server: Running,
  acknowledged: Acknowledged,
  before: number,
  round: number,
): Promise<number> {
  const stop = new AbortController();
  const writers = Array.from({ length: WRITERS }, (_, i) =>
    hammer(server.kube, `writer-${(round + i) % (WRITERS * 2)}`, acknowledged, stop.signal),
  );
  const settled = Promise.allSettled(writers);
  const target = sum(acknowledged) + ACKNOWLEDGED_MIN + (round % 10);
  while (sum(acknowledged) < target) await server.kube.get<Namespace>(NAMESPACES, { name: "default" }, stop.signal);
  await server.kill();
  stop.abort();
  await settled;
  const newest = Math.max(before, ...[...acknowledged.values()].map(({ revision }) => revision));
  assert.ok(newest > before, "revisions only grow");
  return newest;
}

function sum(acknowledged: Acknowledged): number {
  return [...acknowledged.values()].reduce((total, { value }) => total + value, 0);
}

async function check(kube: KubeClient, acknowledged: Acknowledged): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  const { items } = await kube.list(CONFIG_MAPS, { namespace: "default" }, signal);
  const stored = new Map(items.map((item) => [item.metadata?.name, item]));
  for (const [name, state] of acknowledged) {
    if (state.value === 0) continue;
    const found = stored.get(name);
    assert.ok(found, `${name} is lost`);
    const value = Number(found.data?.["value"]);
    assert.ok(value >= state.value, `${name}: acknowledged ${state.value}, found ${value}`);
    assert.ok(value <= state.attempted, `${name}: nobody wrote ${value}`);
    assert.ok(Number(found.metadata?.resourceVersion) >= state.revision);
    state.value = value;
  }
}

/** The log as such: replayed from its beginning, it leads to the present. */
function checkLog(stateDir: string): void {
  using log = RevisionLog.open(join(stateDir, "apiserver.db"));
  const prefix = "core/configmaps/";
  const replayed = new Map(log.list(prefix, { atRevision: log.compactedRevision }).map(({ key, json }) => [key, json]));
  let last = log.compactedRevision;
  for (const { type, stored, previous } of log.changesAfter(last, prefix, Number.MAX_SAFE_INTEGER)) {
    assert.ok(stored.revision > last);
    last = stored.revision;
    assert.equal(previous?.json, replayed.get(stored.key));
    if (type === "DELETED") replayed.delete(stored.key);
    else replayed.set(stored.key, stored.json);
  }
  assert.deepEqual(
    [...replayed].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    log.list(prefix).map(({ key, json }) => [key, json]),
  );
}
