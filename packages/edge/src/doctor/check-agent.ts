import { get } from "node:http";
import { type Finding, found, isPortFree, madeByUp } from "@kedge/runtime";
import { runningKubelet } from "../edgecore-host.ts";
import type { AgentStatusDocument } from "../edgecore-status.ts";
import type { EdgeFacts } from "./edge-facts.ts";
import { otherAgents, sameSocket } from "./other-agents.ts";

const ANSWER_MS = 3_000;
const ANSWER_CHARS_MAX = 1024 * 1024;

/** Whether an agent runs for this node, and nobody else who would fight over its containers. */
export async function checkAgent(facts: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  const { config } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  const { hostnameOverride: node, enable } = config.modules.edged;
  const answered = await askStatus(config.modules.edged.tailoredKubeletConfig, signal);
  if (answered === undefined || isOfThisFile(answered, node, config.database.dataSource)) facts.agent = answered;
  else facts.foreignAgent = answered;
  const kubelet = enable ? runningKubelet() : undefined;
  if (kubelet !== undefined)
    return found.failed(
      `a kubelet runs on this host (process ${kubelet}) and would fight with edgecore over the same containers`,
      "stop the kubelet: a host is either a node of Kubernetes or one of the edge",
    );
  const others = enable ? otherAgents(facts.configPath, facts.agent?.pid) : [];
  const { containerRuntimeEndpoint: endpoint } = config.modules.edged.tailoredKubeletConfig;
  const rival = others.find((other) => other.endpoint === undefined || sameSocket(other.endpoint, endpoint));
  if (rival !== undefined) {
    const who = `another edgecore runs on this host (process ${rival.pid}, ${rival.config})`;
    const stop = madeByUp(rival.config)?.down ?? `for example: systemctl disable --now edgecore`;
    if (rival.endpoint === undefined)
      return found.warning(
        `${who}, and its configuration cannot be read: with the same container runtime the two would fight`,
        `see that it uses another containerRuntimeEndpoint than ${endpoint}, or stop one of the two, ${stop}`,
      );
    return found.failed(
      `${who} and would fight with this one over the containers of ${endpoint}`,
      `stop one of the two, ${stop}; or give one a container runtime of its own`,
    );
  }
  const beside = others.map(({ pid, config: file }) => `; beside it process ${pid} (${file}) has a runtime of its own`);
  if (facts.agent !== undefined) {
    const { pid, state, startedAt } = facts.agent;
    return found.ok(`edgecore runs (process ${pid}, ${state}, since ${startedAt})${beside.join("")}`);
  }
  const up = madeByUp(facts.configPath)?.up;
  if (up !== undefined) return found.warning("edgecore does not run: this node is stopped", up);
  return found.ok(`edgecore does not run here, nor does anybody who would be in its way${beside.join("")}`);
}

/** Two agents of one host may be set to the same port: only one of them answers there. */
function isOfThisFile(answered: AgentStatusDocument, node: string, database: string): boolean {
  // One of an older version does not tell its database.
  return answered.node === node && ((answered.database as string | undefined) ?? database) === database;
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
export async function checkStatusPort({ config, agent, foreignAgent }: EdgeFacts): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  const { address, readOnlyPort: port } = config.modules.edged.tailoredKubeletConfig;
  if (port === 0) return found.skipped("readOnlyPort is 0: /healthz and /status are not served");
  if (agent !== undefined) return found.ok(`edgecore serves /healthz and /status on ${address}:${port}`);
  if (await isPortFree(port, address)) return found.ok(`${address}:${port} is free`);
  return found.warning(
    `${address}:${port} is taken by ${foreignAgent === undefined ? "another program" : `the agent of ${foreignAgent.node} (process ${foreignAgent.pid})`}: /healthz and /status will not be served`,
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
