import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { get } from "node:http";
import { type Finding, found, isPortFree } from "@kedge/runtime";
import { runningKubelet } from "../edgecore-host.ts";
import type { AgentStatusDocument } from "../edgecore-status.ts";
import type { EdgeFacts } from "./edge-facts.ts";

const ANSWER_MS = 3_000;
const ANSWER_CHARS_MAX = 1024 * 1024;

/** Whether an agent runs for this node, and nobody else who would fight over its containers. */
export async function checkAgent(facts: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  const { config } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  const { hostnameOverride: node, enable } = config.modules.edged;
  const answered = await askStatus(config.modules.edged.tailoredKubeletConfig, signal);
  if (answered?.node === node) facts.agent = answered;
  const kubelet = enable ? runningKubelet() : undefined;
  if (kubelet !== undefined)
    return found.failed(
      `a kubelet runs on this host (process ${kubelet}) and would fight with edgecore over the same containers`,
      "stop the kubelet: a host is either a node of Kubernetes or one of the edge",
    );
  const stock = stockAgent();
  if (stock !== undefined)
    return found.failed(
      `another edgecore runs on this host (process ${stock}) and would fight with this one over the same containers`,
      `stop one of the two, for example: systemctl disable --now edgecore`,
    );
  if (facts.agent !== undefined) {
    const { pid, state, startedAt } = facts.agent;
    return found.ok(`edgecore runs (process ${pid}, ${state}, since ${startedAt})`);
  }
  return found.ok("edgecore does not run here, nor does anybody who would be in its way");
}

/** What only the running agent knows: whether the cloud took it in. */
export function checkConnection({ config, agent }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  if (agent === undefined) return found.skipped("edgecore does not run, or does not serve /status");
  if (agent.connected)
    return found.ok(`connected since ${agent.connectedSince ?? "?"}, ${agent.queue.messages} messages wait`);
  const { lastError } = agent;
  if (lastError === undefined) return found.warning("not connected yet", "ask again in a moment");
  return found.failed(`${lastError.message} (${lastError.count} times since ${lastError.firstAt})`, lastError.fix);
}

/** The port where the agent tells how it is. */
export async function checkStatusPort({ config, agent }: EdgeFacts): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  const { address, readOnlyPort: port } = config.modules.edged.tailoredKubeletConfig;
  if (port === 0) return found.skipped("readOnlyPort is 0: /healthz and /status are not served");
  if (agent !== undefined) return found.ok(`edgecore serves /healthz and /status on ${address}:${port}`);
  if (await isPortFree(port, address)) return found.ok(`${address}:${port} is free`);
  return found.warning(
    `${address}:${port} is taken by another program: /healthz and /status will not be served`,
    `see who: ss -ltnp 'sport = :${port}'; stop it, or set modules.edged.tailoredKubeletConfig.readOnlyPort`,
  );
}

/** @returns `undefined` if nobody answers as an agent of ours does. */
function askStatus(
  { address, readOnlyPort: port }: { readonly address: string; readonly readOnlyPort: number },
  signal: AbortSignal,
): Promise<AgentStatusDocument | undefined> {
  if (port === 0) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const host = address === "0.0.0.0" ? "127.0.0.1" : address;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const request = get({ host, port, path: "/status", agent: false, signal: limit }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        if (text.length < ANSWER_CHARS_MAX) text += chunk;
      });
      response.on("error", () => resolve(undefined));
      response.on("end", () => resolve(readStatus(text)));
    });
    request.on("error", () => resolve(undefined));
  });
}

function readStatus(text: string): AgentStatusDocument | undefined {
  try {
    const value = JSON.parse(text) as Partial<AgentStatusDocument> | null;
    return value?.program === "edgecore" ? (value as AgentStatusDocument) : undefined;
  } catch {
    return undefined;
  }
}

/** KubeEdge's own agent; ours goes by the name of its runtime. */
function stockAgent(): number | undefined {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const pid = pids.find((name) => {
    try {
      const sameHost = readlinkSync(`/proc/${name}/ns/net`) === readlinkSync("/proc/self/ns/net");
      return sameHost && readFileSync(`/proc/${name}/comm`, "utf8").trim() === "edgecore";
    } catch {
      return false; // it has ended
    }
  });
  return pid === undefined ? undefined : Number(pid);
}
