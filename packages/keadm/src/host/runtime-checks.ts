import { existsSync } from "node:fs";
import { CriClient, CriError } from "@kedge/cri";
import { toError } from "@kedge/runtime";
import { type Check, failedCheck } from "../checks.ts";

const CALL_MS = 10_000;

/** The container runtime answers over CRI v1. */
export function runtimeCheck(endpoint: string): Check {
  const name = "container runtime";
  return {
    name,
    async run(signal) {
      const socket = endpoint.replace(/^unix:\/\//, "");
      if (!socket.startsWith("/"))
        throw failedCheck(name, `${endpoint} is no endpoint: write it as unix:///run/containerd/containerd.sock`);
      if (!existsSync(socket))
        throw failedCheck(
          name,
          `there is no ${socket}: install and start containerd, or name another runtime's socket with --remote-runtime-endpoint`,
        );
      using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: CALL_MS });
      try {
        const { runtimeName, runtimeVersion } = await cri.runtime.version(signal);
        const conditions = (await cri.runtime.status(signal))?.conditions ?? [];
        const bad = conditions.find(({ type, status }) => type === "RuntimeReady" && !status);
        if (bad === undefined) return `${runtimeName} ${runtimeVersion} at ${endpoint}`;
        throw failedCheck(name, `${runtimeName} is not ready, as it says "${bad.message || bad.reason}": see its log`);
      } catch (error) {
        signal.throwIfAborted();
        throw explainRuntime(name, endpoint, error);
      }
    },
  };
}

function explainRuntime(name: string, endpoint: string, error: unknown): Error {
  if (!(error instanceof CriError)) return toError(error);
  if (error.code === "Unimplemented")
    return failedCheck(
      name,
      `the runtime at ${endpoint} does not serve CRI v1: take "cri" out of disabled_plugins in /etc/containerd/config.toml and restart containerd (1.6 or later)`,
      error,
    );
  return failedCheck(
    name,
    `the runtime at ${endpoint} does not answer (${error.message}): start it, and see its log`,
    error,
  );
}

/** FIX: without a CNI network the node never becomes ready, and KubeEdge's join does not say so. */
export function cniCheck(endpoint: string): Check {
  const name = "pod network (CNI)";
  return {
    name,
    async run(signal) {
      using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: CALL_MS });
      const network = (await cri.runtime.status(signal))?.conditions.find(({ type }) => type === "NetworkReady");
      if (network === undefined) return "the runtime does not tell";
      if (network.status) return "ready";
      throw failedCheck(
        name,
        `the runtime has no pod network ("${network.message || network.reason}"): put a CNI configuration into /etc/cni/net.d (docs/KEADM.md has one to copy) and the plugins into /opt/cni/bin`,
      );
    },
  };
}

export type CgroupDriver = "cgroupfs" | "systemd";

/** Which driver the runtime uses; undefined if it does not tell. */
export async function runtimeCgroupDriver(endpoint: string, signal: AbortSignal): Promise<CgroupDriver | undefined> {
  using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: CALL_MS });
  try {
    return await cri.runtime.cgroupDriver(signal);
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
  }
  try {
    // containerd before 2.0 does not know that call, but shows its configuration.
    const { config } = await cri.runtime.verboseInfo(signal);
    const { containerd } = JSON.parse(config ?? "{}") as ContainerdConfig;
    const name = containerd?.defaultRuntimeName ?? "runc";
    const runtime = containerd?.runtimes?.[name];
    if (runtime === undefined) return undefined;
    return runtime.options?.SystemdCgroup === true ? "systemd" : "cgroupfs";
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CriError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface ContainerdConfig {
  readonly containerd?: {
    readonly defaultRuntimeName?: string;
    readonly runtimes?: Readonly<Record<string, { readonly options?: { readonly SystemdCgroup?: boolean } | null }>>;
  };
}
