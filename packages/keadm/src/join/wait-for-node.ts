import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { EdgeCoreConfig } from "@kedge/api";
import type { Node } from "@kedge/kube";
import { hasCode, systemClock } from "@kedge/runtime";
import { EdgeDatabase } from "../edge/edge-database.ts";
import type { Agent } from "../host/agent.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { type AgentStatus, askStatus } from "./agent-status.ts";

const POLL_MS = 250;
/** How often it is said what is waited for. */
const NOTE_MS = 10_000;
const SECOND_MS = 1_000;

/** Starts the agent with this command and waits as {@link waitForNode} does. */
export async function startAndWait(
  agent: Agent,
  command: readonly string[],
  config: EdgeCoreConfig,
  timeoutMs: number,
  session: Pick<Session, "signal" | "tell">,
): Promise<void> {
  const { signal } = session;
  if ((await agent.pid(signal)) !== undefined) session.tell("  … stopping edgecore; its pods go on");
  await agent.stop(signal);
  rmSync(failureFile(config), { force: true }); // of an earlier run
  const before = heartbeatOf(await storedNode(config, signal));
  // Heartbeats tell seconds: one of this run must differ from the last of the run before.
  if (before !== undefined) await systemClock.sleep(SECOND_MS - (Date.now() % SECOND_MS), signal);
  await agent.start(command, signal);
  session.tell(
    `  … edgecore is started; waiting up to ${timeoutMs / SECOND_MS} s for node ${config.modules.edged.hostnameOverride} to be Ready in the cluster`,
  );
  await waitForNode(agent, config, before, timeoutMs, session);
}

/** Whether the agent that runs is connected, and the cluster has taken from it that the node is Ready. */
export async function isReadyNow(config: EdgeCoreConfig, signal: AbortSignal): Promise<boolean> {
  const status = await askStatus(config, config.modules.edged.hostnameOverride, signal);
  return status !== undefined && isJoined(status) && isReady(await storedNode(config, signal), undefined);
}

/** What the cloud made the agent store last: all that there is to judge one by that does not tell. */
export async function storedAsReady(config: EdgeCoreConfig, signal: AbortSignal): Promise<boolean> {
  return isReady(await storedNode(config, signal), undefined);
}

/**
 * Resolves once the agent runs, is connected, and the cluster has taken from it that the node is Ready.
 *
 * @param before heartbeat of an earlier run.
 * @throws KeadmError `AgentFailed` when the agent gives up, `NotReady` after `timeoutMs`; each with the agent's own reason.
 */
async function waitForNode(
  agent: Agent,
  config: EdgeCoreConfig,
  before: string | undefined,
  timeoutMs: number,
  { signal, tell }: Pick<Session, "signal" | "tell">,
): Promise<void> {
  const nodeName = config.modules.edged.hostnameOverride;
  const started = systemClock.monotonic();
  const deadline = started + timeoutMs;
  let noteAt = started + NOTE_MS;
  for (;;) {
    const pid = await agent.pid(signal);
    // systemd starts a service anew that gave up: the file that it left tells.
    const gaveUp = readFailure(config);
    if (pid === undefined || (agent.keeper === "systemd" && gaveUp !== undefined))
      throw new KeadmError(
        "AgentFailed",
        nodeName,
        `edgecore gave up: ${gaveUp ?? (await lastComplaint(agent, signal))}`,
      );
    const status = await askStatus(config, nodeName, signal);
    const node = await storedNode(config, signal);
    if (isJoined(status) && isReady(node, before)) return;
    if (systemClock.monotonic() > deadline)
      throw new KeadmError(
        "NotReady",
        nodeName,
        `node ${nodeName} did not become Ready within ${timeoutMs / 1000} s (${whyNot(status, node)}): edgecore goes on trying; mend that and run the same command again; its log: ${agent.logHint}`,
      );
    if (systemClock.monotonic() > noteAt) {
      noteAt += NOTE_MS;
      const seconds = Math.round((systemClock.monotonic() - started) / SECOND_MS);
      tell(`  … not Ready after ${seconds} s: ${whyNot(status, node)}`);
    }
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** An agent that does not tell, such as a stock one, is judged by what the cloud made it store. */
function isJoined(status: AgentStatus | undefined): boolean {
  return status === undefined || (status.connected === true && status.registered === true);
}

/** @param before the heartbeat of an earlier run, which says nothing of this one. */
function isReady(node: Node | undefined, before: string | undefined): boolean {
  return readyCondition(node)?.status === "True" && heartbeatOf(node) !== before;
}

function heartbeatOf(node: Node | undefined): string | undefined {
  return readyCondition(node)?.lastHeartbeatTime;
}

function readyCondition(node: Node | undefined) {
  return node?.status?.conditions?.find(({ type }) => type === "Ready");
}

function whyNot(status: AgentStatus | undefined, node: Node | undefined): string {
  if (status?.lastError !== undefined && status.connected !== true) return status.lastError;
  const ready = readyCondition(node);
  if (ready !== undefined && ready.status !== "True") return ready.message ?? ready.reason ?? "not ready";
  return node === undefined ? "the cloud has not confirmed the node" : "no news of it came through";
}

async function storedNode(config: EdgeCoreConfig, signal: AbortSignal): Promise<Node | undefined> {
  const { dataSource } = config.database;
  if (!existsSync(dataSource)) return undefined;
  try {
    using database = await EdgeDatabase.open(dataSource, signal);
    const name = config.modules.edged.hostnameOverride;
    return database.list("node").find(({ metadata }) => metadata?.name === name) as Node | undefined;
  } catch (error) {
    if (hasCode(error, "BadInput") || hasCode(error, "Busy") || hasCode(error, "NotFound")) return undefined; // it is just being made
    throw error;
  }
}

function failureFile(config: EdgeCoreConfig): string {
  return join(dirname(config.database.dataSource), "edgecore-status.json");
}

/** What an agent that gave up left beside its database. */
function readFailure(config: EdgeCoreConfig): string | undefined {
  try {
    const { lastError } = JSON.parse(readFileSync(failureFile(config), "utf8")) as {
      lastError?: { message?: unknown };
    };
    return typeof lastError?.message === "string" ? lastError.message : undefined;
  } catch {
    return undefined;
  }
}

/** What edgecore said as it ended: its last line is one sentence for people. */
async function lastComplaint(agent: Agent, signal: AbortSignal): Promise<string> {
  const lines = (await agent.lastWords(signal)).split("\n");
  const own = lines.findLast((line) => line.startsWith("edgecore: "));
  return own?.slice("edgecore: ".length) ?? `${lines.at(-1) ?? ""} (${agent.logHint})`;
}
