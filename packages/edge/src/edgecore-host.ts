import { readdirSync, readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import type { HostFacts } from "@kedge/api";

/** KubeEdge's name for a host that has none. */
const FALLBACK_NAME = "default-edge-node";

/** What the configuration's defaults need to know of this host. */
export function hostFacts(): HostFacts {
  return { hostname: hostname().toLowerCase() || FALLBACK_NAME, localIP: defaultRouteAddress() ?? "127.0.0.1" };
}

function defaultRouteAddress(): string | undefined {
  const addresses = networkInterfaces()[defaultRouteInterface() ?? ""] ?? [];
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

function defaultRouteInterface(): string | undefined {
  try {
    const [, ...routes] = readFileSync("/proc/net/route", "utf8").split("\n");
    return routes.map((route) => route.split("\t")).find(([, destination]) => destination === "00000000")?.[0];
  } catch {
    return undefined;
  }
}

/** The process id of a kubelet on this host: two agents would fight over the same containers. */
export function runningKubelet(): number | undefined {
  for (const pid of readdirSync("/proc")) if (/^\d+$/.test(pid) && commandOf(pid) === "kubelet") return Number(pid);
  return undefined;
}

function commandOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined; // gone meanwhile
  }
}
