import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { EDGECORE_CONFIG_FILE } from "../edgecore-config-file.ts";

/** Where edgecore looks for its runtime if the file does not say. */
const ENDPOINT_DEFAULT = "unix:///run/containerd/containerd.sock";

export interface OtherAgent {
  readonly pid: number;
  readonly config: string;
  /** Of its container runtime; absent if its configuration cannot be read. */
  readonly endpoint: string | undefined;
}

/**
 * Agents on this host, KubeEdge's or ours, other than the one of this configuration file and the one with this pid. Those in
 * a network namespace of their own are on another host, as far as we can tell.
 */
export function otherAgents(configPath: string, ownPid: number | undefined): OtherAgent[] {
  const ownConfig = resolve(configPath);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== ownPid && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        if (readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync("/proc/self/ns/net")) return [];
        const config = agentConfig(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
        if (config === undefined) return [];
        const file = resolve(readlinkSync(`/proc/${pid}/cwd`), config);
        return file === ownConfig ? [] : [{ pid: Number(pid), config: file, endpoint: endpointIn(pid, file) }];
      } catch {
        return []; // it has ended, or is not ours to look at
      }
    });
}

/** The configuration file of an agent with this command line; `undefined`: it is no agent, or one that only prints. */
export function agentConfig(command: readonly string[]): string | undefined {
  const words = command.filter((word) => word !== "");
  const program = words.findIndex((word) => /(^|\/)(edgecore|edgecore\/main\.mjs|edgecore-main\.ts)$/.test(word));
  // As a program, or as the script of one; not as anybody's argument, such as an editor's.
  const isAgent = program === 0 || (program > 0 && /(^|\/)node[^/]*$/.test(words[0] ?? ""));
  const args = words.slice(program + 1);
  if (!isAgent || args.some((word) => word === "doctor" || /^--(defaultconfig|minconfig|version|help)/.test(word)))
    return undefined;
  const joined = args.find((word) => word.startsWith("--config="))?.slice("--config=".length);
  const at = args.indexOf("--config");
  return joined ?? (at === -1 ? EDGECORE_CONFIG_FILE : args[at + 1]);
}

function endpointIn(pid: string, file: string): string | undefined {
  try {
    const config = parse(readFileSync(join(`/proc/${pid}/root`, file), "utf8")) as {
      modules?: { edged?: { enable?: boolean; tailoredKubeletConfig?: { containerRuntimeEndpoint?: string } } };
    };
    const edged = config.modules?.edged;
    if (edged?.enable === false) return "";
    return edged?.tailoredKubeletConfig?.containerRuntimeEndpoint ?? ENDPOINT_DEFAULT;
  } catch {
    return undefined;
  }
}

/** Whether two endpoints are the same socket: `/var/run` is `/run` under another name. */
export function sameSocket(one: string, other: string): boolean {
  return real(one) === real(other);
}

function real(endpoint: string): string {
  const path = endpoint.replace(/^unix:(\/\/)?/, "");
  try {
    return realpathSync(path);
  } catch {
    return path.replace(/^\/var\/run\//, "/run/"); // not there now
  }
}
