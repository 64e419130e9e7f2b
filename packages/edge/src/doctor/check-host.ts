import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Finding, found, isPortFree, toError } from "@kedge/runtime";
import { parseBrokerUrl } from "../eventbus/broker-url.ts";
import type { EdgeFacts } from "./edge-facts.ts";
import { tryConnect } from "./try-connect.ts";

/** Below this the agent's database may fail any moment. */
const FREE_BYTES_MIN = 50 * 2 ** 20;
/** Below this Kubernetes evicts pods (`evictionHard`, `nodefs.available`). */
const FREE_SHARE_MIN = 0.1;
const CONNECT_MS = 3_000;
const LOCKED = /database is locked/;

/** Whether the node's memory, its database, is sound. One that an agent uses is looked at by that agent alone. */
export function checkDatabase({ config, agent }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  const { dataSource: file } = config.database;
  if (!existsSync(file)) return found.ok(`${file} is not there yet: edgecore makes it`);
  try {
    using db = new DatabaseSync(file, { readOnly: true, timeout: 0 });
    const [answer] = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {});
    if (answer === "ok") return found.ok(`${file} opens and is sound`);
    return found.failed(
      `${file} is damaged: ${String(answer)}`,
      "start edgecore: it puts the file aside, saves what can be read, and gets the rest from the cloud",
    );
  } catch (error) {
    const { message } = toError(error);
    if (LOCKED.test(message) && agent !== undefined) {
      const check = agent.checks.find(({ name }) => name === "database");
      if (check?.ok === false) return found.failed(check.detail, "see edgecore's log");
      return found.ok(`${file} is in use by the running agent, which answers from it`);
    }
    if (LOCKED.test(message))
      return found.failed(
        `${file} is in use by a process that does not answer as this node's agent`,
        `see who: fuser -v ${file}; two agents must not share a database`,
      );
    return found.failed(
      `${file} cannot be opened: ${message}`,
      "start edgecore: a damaged file is put aside and made anew; else check its permissions",
    );
  }
}

export function checkDisk({ config }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  const { edged } = config.modules;
  const folders = new Set([
    nearestFolder(dirname(config.database.dataSource)),
    ...(edged.enable ? [edged.rootDirectory, edged.tailoredKubeletConfig.podLogsDir].map(nearestFolder) : []),
  ]);
  const spaces = [...folders].map((folder) => {
    const { bavail, blocks, bsize } = statfsSync(folder);
    return { folder, freeBytes: bavail * bsize, share: blocks === 0 ? 1 : bavail / blocks };
  });
  const least = spaces.reduce((a, b) => (b.freeBytes < a.freeBytes ? b : a));
  const detail = `${Math.floor(least.freeBytes / 2 ** 20)} MiB (${Math.floor(least.share * 100)} %) free at ${least.folder}`;
  const fix = "free some: remove unused images (crictl rmi --prune) and old logs";
  if (least.freeBytes < FREE_BYTES_MIN) return found.failed(detail, fix);
  const tight = spaces.find(({ share }) => share < FREE_SHARE_MIN);
  if (tight === undefined) return found.ok(detail);
  return found.warning(
    `${Math.floor(tight.share * 100)} % free at ${tight.folder}: below ${FREE_SHARE_MIN * 100} % a node is under disk pressure`,
    fix,
  );
}

function nearestFolder(path: string): string {
  return existsSync(path) || path === "/" ? path : nearestFolder(dirname(path));
}

/** The internal broker's port must be ours to take, or be ours; the external broker must be there. */
export async function checkMqtt({ config, agent }: EdgeFacts): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  const { enable, mqttMode, mqttServerInternal, mqttServerExternal } = config.modules.eventBus;
  if (!enable) return found.skipped("modules.eventBus is off");
  const said: string[] = [];
  if (mqttMode !== 2) {
    const { host, port } = parseBrokerUrl("mqttServerInternal", mqttServerInternal);
    const free = await isPortFree(port, host);
    if (free && agent !== undefined)
      return found.failed(`edgecore runs, but nobody listens at ${host}:${port}`, "see edgecore's log for eventbus");
    if (!free && agent === undefined)
      return found.failed(
        `${host}:${port} is taken by another program`,
        `see who: ss -ltnp 'sport = :${port}'; stop it, or set modules.eventBus.mqttServerInternal`,
      );
    said.push(
      free ? `${host}:${port} is free for the internal broker` : `the internal broker listens at ${host}:${port}`,
    );
  }
  if (mqttMode !== 0) {
    const { host, port } = parseBrokerUrl("mqttServerExternal", mqttServerExternal);
    try {
      await tryConnect(port, host, CONNECT_MS);
    } catch (error) {
      return found.failed(
        `no MQTT broker answers at ${host}:${port}: ${toError(error).message}`,
        "start it (apt-get install mosquitto), or set modules.eventBus.mqttMode to 0 for edgecore's own broker",
      );
    }
    said.push(`a broker answers at ${host}:${port}`);
  }
  return found.ok(said.join("; "));
}
