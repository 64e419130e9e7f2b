import type { EdgeCoreConfig } from "@kedge/api";
import { hasCode, toError } from "@kedge/runtime";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import type { Agent } from "../host/agent.ts";
import { replaceConfigFile } from "../host/config-file.ts";
import type { HostPaths } from "../host/host-paths.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { askStatus } from "./agent-status.ts";
import { startAndWait, storedAsReady } from "./wait-for-node.ts";

/** A new configuration for the agent, and what to go back to. */
export interface AgentChange {
  readonly paths: HostPaths;
  readonly agent: Agent;
  readonly command: readonly string[];
  /** The whole `edgecore.yaml`. */
  readonly text: string;
  readonly timeoutMs: number;
  /** Keep it also if the node was connected and does not become so again in time. */
  readonly force: boolean;
}

/**
 * Writes the configuration and starts the agent anew. If the agent gives up with it, or a node that was connected does not
 * become Ready in time, file and agent from before come back.
 *
 * @returns where the file from before is kept, if there was another.
 * @throws KeadmError `AgentFailed` or `NotReady`, which says what is in place now
 */
export async function startOrUndo(change: AgentChange, session: Session): Promise<string | undefined> {
  const { paths, agent, command, text, timeoutMs } = change;
  const { signal } = session;
  const ran = (await agent.pid(signal)) !== undefined;
  const commandBefore = agent.command() ?? command;
  const wasConnected = ran && (await isConnected(paths, signal));
  const file = replaceConfigFile(paths.config, text);
  try {
    const { config } = readEdgeCoreFile(paths.config);
    await startAndWait(agent, command, config, timeoutMs, session);
    return file.keep();
  } catch (error) {
    const gaveUp = hasCode(error, "AgentFailed");
    const lost = hasCode(error, "NotReady") && wasConnected && !change.force;
    const same = !file.changed && commandBefore.join("\0") === command.join("\0");
    if (same || signal.aborted || !(gaveUp || lost)) {
      file.keep(); // the new one stays, so the one before is told apart
      throw error;
    }
    await agent.stop(signal);
    const now = file.undo();
    if (now === "none") throw error;
    if (ran) await agent.start(commandBefore, signal);
    throw new KeadmError(
      gaveUp ? "AgentFailed" : "NotReady",
      paths.config,
      `${toError(error).message.replace("edgecore goes on trying; mend that and run the same command again", "mend that")}\nThe configuration from before is in place again${ran ? ", and edgecore runs with it" : ""}.`,
      { cause: error },
    );
  }
}

async function isConnected(paths: HostPaths, signal: AbortSignal): Promise<boolean> {
  let config: EdgeCoreConfig;
  try {
    ({ config } = readEdgeCoreFile(paths.config));
  } catch {
    return false; // what is there cannot be what it runs with
  }
  const status = await askStatus(config, config.modules.edged.hostnameOverride, signal);
  return status?.connected ?? storedAsReady(config, signal);
}
