/**
 * An agent without containers that is given tagged messages to bring to the cloud: a program, so that it can be killed.
 * It writes down what it did, line by line: `try N` before and `ok N` or `no N` after an event is handed to EdgeHub,
 * `twin N` when a device's value was taken, `got TYPE NAMESPACE/NAME UID VERSION` when an object changed, `done`.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { loadEdgeCoreConfig } from "@kedge/api";
import { type EdgeBus, type EdgeMessages, type EdgeNotices, startEdgeCore, SUPPORTED_SWITCHES } from "@kedge/edge";
import type { Event, KubeObject } from "@kedge/kube";
import { createEvent } from "@kedge/protocol";
import { createLogger, MessageBus, toError } from "@kedge/runtime";

/** Events beyond a thousand are dropped by policy, oldest first: a source that must not lose any waits before. */
const AHEAD_MAX = 200;
/** A device's value changes with every tenth message. */
const TWIN_EVERY = 10;

const [configFile = "", journalFile = "", arrivedFile = "", messagesText = "0", device = ""] = process.argv.slice(2);
const messages = Number(messagesText);
const facts = { hostname: "edge", localIP: "127.0.0.1" };
const { config } = loadEdgeCoreConfig(readFileSync(configFile, "utf8"), facts, { supported: SUPPORTED_SWITCHES });
const node = config.modules.edged.hostnameOverride;
const logger = createLogger({ program: "edgecore" });
const life = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => life.abort());

const journal = openSync(journalFile, "a");
const note = (line: string) => void writeSync(journal, `${line}\n`);

/** How many have arrived, as whoever watches the cloud says. */
const arrived = () => Number(readFileSync(arrivedFile, "utf8"));

function lastTried(): number {
  let last = 0;
  for (const line of readFileSync(journalFile, "utf8").split("\n"))
    if (line.startsWith("try ")) last = Number(line.slice(4));
  return last;
}

function tagged(n: number): Event {
  return {
    metadata: { name: `tag-${n}`, namespace: "default" },
    involvedObject: { kind: "Node", name: node, apiVersion: "v1" },
    reason: "Tagged",
    message: String(n),
    type: "Normal",
    count: 1,
    source: { component: "edgecore", host: node },
  };
}

/** @returns whether it was taken. */
async function report(bus: EdgeBus, n: number): Promise<boolean> {
  const payload = Buffer.from(JSON.stringify({ twin: { counter: { actual: { value: String(n) } } } }));
  const topic = `$hw/events/device/default/${device}/twin/update`;
  const results: string[] = [];
  // What an MQTT client would hear: taken, or why not.
  using _listening = bus.handle("bus/publish", (published) => {
    if (published.topic === `${topic}/result`) results.push(published.payload);
  });
  await bus.request("twin/mqtt", { topic, payload }, life.signal);
  const [result = "{}"] = results;
  const taken = (JSON.parse(result) as { twin?: unknown }).twin !== undefined;
  if (taken) note(`twin ${n}`);
  return taken;
}

async function work(bus: EdgeBus): Promise<void> {
  // The cloud tells of the device some time; from then on it is known for good.
  if (lastTried() === 0)
    while (!(await report(bus, 1).catch(() => false))) await delay(50, undefined, { signal: life.signal });
  for (let n = lastTried() + 1; n <= messages;) {
    if (n - arrived() > AHEAD_MAX) {
      await delay(20, undefined, { signal: life.signal });
      continue;
    }
    note(`try ${n}`);
    try {
      await bus.request("hub/send", createEvent(tagged(n)), life.signal);
      note(`ok ${n}`);
    } catch (error) {
      life.signal.throwIfAborted();
      note(`no ${n}`);
      logger.warn({ n, error: toError(error) }, "message not accepted");
      await delay(100, undefined, { signal: life.signal });
    }
    if (n % TWIN_EVERY === 0)
      await report(bus, n).catch((error: unknown) => logger.warn({ n, error: toError(error) }, "twin not taken"));
    n += 1;
  }
  note("done");
}

const bus: EdgeBus = new MessageBus<EdgeMessages, EdgeNotices>();
bus.listen("meta/objectChanged", ({ type, key }) => {
  if (type !== "configmap") return;
  void bus.request("meta/list", { type }, life.signal).then((objects: KubeObject[]) => {
    const found = objects.find(({ metadata }) => metadata?.name === key.name && metadata.namespace === key.namespace);
    const { uid = "gone", resourceVersion = "-" } = found?.metadata ?? {};
    note(`got ${type} ${key.namespace ?? ""}/${key.name} ${uid} ${resourceVersion}`);
  });
});
try {
  const edge = await startEdgeCore(
    config,
    { logger, agentVersion: "0.0.0", onTokenUsed: () => undefined, bus },
    life.signal,
  );
  note("started");
  try {
    await work(bus);
    await new Promise<void>((resolve) => life.signal.addEventListener("abort", () => resolve(), { once: true }));
  } catch (error) {
    if (!life.signal.aborted) throw error;
  } finally {
    await edge.disposeAsync();
  }
  note("stopped");
} catch (error) {
  if (!life.signal.aborted) {
    logger.error({ error: toError(error) }, "the agent ended");
    process.exitCode = 1;
  }
} finally {
  closeSync(journal);
}
