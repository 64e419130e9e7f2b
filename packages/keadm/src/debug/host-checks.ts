import { lookup, Resolver } from "node:dns/promises";
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Check, CheckWarning, failedCheck } from "../checks.ts";
import { toError } from "@kedge/runtime";

// The bounds are KubeEdge's.
const USED_PERCENT_MAX = 90;
const MEMORY_BYTES_MIN = 256 * 2 ** 20;
const MEMORY_FREE_BYTES_MIN = 128 * 2 ** 20;
const DISK_BYTES_MIN = 2 ** 30;
const DISK_FREE_BYTES_MIN = 512 * 2 ** 20;
const PID_FREE_PERCENT_MIN = 5;
const CPU_SAMPLE_MS = 500;
const DNS_MS = 5_000;

const mib = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MiB`;

export const cpuCheck: Check = {
  name: "cpu",
  async run(signal) {
    const before = cpuTimes();
    await delay(CPU_SAMPLE_MS, undefined, { signal });
    const after = cpuTimes();
    const total = after.total - before.total;
    const percent = total === 0 ? 0 : Math.round(100 * (1 - (after.idle - before.idle) / total));
    const detail = `${availableParallelism()} cores, ${percent} % in use`;
    // A look of half a second: it may be over in the next one.
    if (percent >= USED_PERCENT_MAX)
      throw new CheckWarning(`${detail} at this moment: see with top whether it stays so`);
    return detail;
  },
};

function cpuTimes(): { idle: number; total: number } {
  const all = cpus().map(({ times }) => times);
  return {
    idle: all.reduce((sum, { idle }) => sum + idle, 0),
    total: all.reduce((sum, { idle, user, nice, sys, irq }) => sum + idle + user + nice + sys + irq, 0),
  };
}

export const memoryCheck: Check = {
  name: "mem",
  async run() {
    await Promise.resolve();
    const [total, free] = [totalmem(), availableMemory()];
    const detail = `${mib(free)} of ${mib(total)} available`;
    if (total < MEMORY_BYTES_MIN) throw failedCheck("mem", `${detail}: a node needs ${mib(MEMORY_BYTES_MIN)} at least`);
    if (free < MEMORY_FREE_BYTES_MIN || free < total * (1 - USED_PERCENT_MAX / 100))
      throw failedCheck("mem", `${detail}: end what is not needed, or take a larger machine`);
    return detail;
  },
};

/** What the kernel could give without swapping; free alone leaves out caches. */
function availableMemory(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/** @param folder whose disk it is about. */
export function diskCheck(folder: string): Check {
  return {
    name: "disk",
    async run() {
      await Promise.resolve();
      const { bsize, blocks, bavail } = statfsSync(folder);
      const [total, free] = [blocks * bsize, bavail * bsize];
      const detail = `${mib(free)} of ${mib(total)} free at ${folder}`;
      if (total < DISK_BYTES_MIN) throw failedCheck("disk", `${detail}: a node needs ${mib(DISK_BYTES_MIN)} at least`);
      if (free < DISK_FREE_BYTES_MIN || free < total * (1 - USED_PERCENT_MAX / 100))
        throw failedCheck("disk", `${detail}: free some, for instance with crictl rmi --prune`);
      return detail;
    },
  };
}

/** A public name, as KubeEdge's: on a closed network nobody resolves it, and nothing is wrong. */
const DOMAIN_DEFAULT = "www.github.com";

/**
 * @param given the name to resolve; without it a public one, and then it is no more than a warning if that cannot be.
 * @param server asked instead of this host's own.
 */
export function dnsCheck(given: string | undefined, server?: string): Check {
  const domain = given ?? DOMAIN_DEFAULT;
  return {
    name: "dns",
    async run() {
      if (server !== undefined && isIP(server) === 0)
        throw failedCheck("dns", `-D ${server} is no address: give that of a DNS server`);
      try {
        if (isIP(domain) !== 0) return `${domain} needs no resolving`;
        if (server === undefined) return `${domain} is ${(await lookup(domain)).address}`;
        const resolver = new Resolver({ timeout: DNS_MS, tries: 1 });
        resolver.setServers([server]);
        return `${domain} is ${(await resolver.resolve4(domain)).join(", ")}, says ${server}`;
      } catch (error) {
        if (given === undefined && server === undefined)
          throw new CheckWarning(
            `${domain} cannot be resolved (${toError(error).message}), which is well on a closed network: check a name that counts here with -d`,
          );
        throw failedCheck(
          "dns",
          `${domain} cannot be resolved (${toError(error).message}): check /etc/resolv.conf`,
          error,
        );
      }
    },
  };
}

export const pidCheck: Check = {
  name: "pid",
  async run() {
    await Promise.resolve();
    const max = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8"));
    const used = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).length;
    const freePercent = Math.floor(100 * (1 - used / max));
    const detail = `${used} of ${max} process ids in use`;
    if (freePercent <= PID_FREE_PERCENT_MIN) throw failedCheck("pid", `${detail}: see with ps what makes so many`);
    return detail;
  },
};
