import { existsSync } from "node:fs";
import { join } from "node:path";
import { BackgroundAgent } from "./background-agent.ts";
import { type HostPaths, ROOT_DIR_DEFAULT } from "./host-paths.ts";
import { SystemdAgent } from "./systemd-agent.ts";

/** This host's edgecore, whoever looks after it. */
export interface Agent {
  /** What a person types to read its log. */
  readonly logHint: string;
  readonly keeper: "systemd" | "keadm";
  /** The pid while it runs. */
  pid(signal: AbortSignal): Promise<number | undefined>;
  /** Starts it with this command, or, if it runs, anew; it then starts with the host, where somebody sees to that. */
  start(command: readonly string[], signal: AbortSignal): Promise<void>;
  /** Returns once it is stopped; what it runs goes on. Idempotent. */
  stop(signal: AbortSignal): Promise<void>;
  /** Stops it for good. Idempotent. */
  remove(signal: AbortSignal): Promise<void>;
  /** The command that {@link start} was given last, if there is one. */
  command(): readonly string[] | undefined;
  /** The end of its log. */
  lastWords(signal: AbortSignal): Promise<string>;
}

/** Below another root there is no service manager: what is tried out there must not touch the host. */
export function findAgent(paths: HostPaths): Agent {
  const hasSystemd = paths.root === ROOT_DIR_DEFAULT && existsSync("/run/systemd/system");
  return hasSystemd ? new SystemdAgent(paths.unit) : new BackgroundAgent(paths);
}

/** The release that this keadm is part of. */
export const checkout = join(import.meta.dirname, "../../../..");

/** How the agent is run: this release's own. */
export function edgeCoreCommand(paths: HostPaths): string[] {
  return [join(checkout, "kedge"), "edgecore", "--config", paths.config];
}
