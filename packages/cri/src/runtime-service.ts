import { abortable } from "@kedge/runtime";
import type { ContainerConfig, LinuxContainerResources, PodSandboxConfig } from "./cri-inputs.ts";
import { isNotFound } from "./cri-error.ts";
import {
  CgroupDriver,
  type Container,
  type ContainerStats,
  type ContainerStatus,
  type PodSandbox,
  type PodSandboxStatus,
  type RuntimeStatus,
  type StatusResponse as RuntimeStatusAnswer,
  RuntimeService as Rpc,
  type VersionResponse,
} from "./generated/runtime/v1/api_pb.js";
import type { GrpcChannel } from "./grpc-channel.ts";

const KUBELET_API_VERSION = "0.1.0";
const { method } = Rpc;

/**
 * Pods and containers over CRI v1. Every call throws `CriError` or the signal's reason.
 *
 * Deadlines: `timeoutMs` for a call, twice that to run a sandbox (its network may be slow), and on top of the time asked
 * for to stop a container or to run a command in it.
 */
export class RuntimeService {
  readonly #channel: GrpcChannel;
  readonly #timeoutMs: number;

  constructor(channel: GrpcChannel, timeoutMs: number) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  version(signal: AbortSignal): Promise<VersionResponse> {
    return this.#channel.callUnary(method.version, { version: KUBELET_API_VERSION }, this.#timeoutMs, signal);
  }

  /** Whether runtime and network are ready, as conditions `RuntimeReady` and `NetworkReady`. */
  async status(signal: AbortSignal): Promise<RuntimeStatus | undefined> {
    const { status } = await this.#channel.callUnary(method.status, {}, this.#timeoutMs, signal);
    return status;
  }

  /** As {@link status}, with what the runtime can do. */
  statusAnswer(signal: AbortSignal): Promise<RuntimeStatusAnswer> {
    return this.#channel.callUnary(method.status, {}, this.#timeoutMs, signal);
  }

  /** What the runtime tells of itself beyond the protocol, by name, mostly as JSON: containerd's `config` is its own. */
  async verboseInfo(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { info } = await this.#channel.callUnary(method.status, { verbose: true }, this.#timeoutMs, signal);
    return info;
  }

  /** @throws CriError `Unimplemented` before containerd 2.0: the configured driver counts then. */
  async cgroupDriver(signal: AbortSignal): Promise<"systemd" | "cgroupfs"> {
    const { linux } = await this.#channel.callUnary(method.runtimeConfig, {}, this.#timeoutMs, signal);
    return linux?.cgroupDriver === CgroupDriver.CGROUPFS ? "cgroupfs" : "systemd";
  }

  async updatePodCidr(podCidr: string, signal: AbortSignal): Promise<void> {
    const request = { runtimeConfig: { networkConfig: { podCidr } } };
    await this.#channel.callUnary(method.updateRuntimeConfig, request, this.#timeoutMs, signal);
  }

  /** @returns the sandbox' id. */
  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const request = { config, runtimeHandler };
    const reply = await this.#channel.callUnary(method.runPodSandbox, request, 2 * this.#timeoutMs, signal);
    return reply.podSandboxId;
  }

  /** Idempotent: a sandbox that is gone is stopped. */
  async stopPodSandbox(podSandboxId: string, signal: AbortSignal): Promise<void> {
    await ignoreNotFound(this.#channel.callUnary(method.stopPodSandbox, { podSandboxId }, this.#timeoutMs, signal));
  }

  /** Idempotent, like {@link stopPodSandbox}. */
  async removePodSandbox(podSandboxId: string, signal: AbortSignal): Promise<void> {
    await ignoreNotFound(this.#channel.callUnary(method.removePodSandbox, { podSandboxId }, this.#timeoutMs, signal));
  }

  /** @returns `undefined` if the runtime does not know it. */
  async podSandboxStatus(podSandboxId: string, signal: AbortSignal): Promise<PodSandboxStatus | undefined> {
    const call = this.#channel.callUnary(method.podSandboxStatus, { podSandboxId }, this.#timeoutMs, signal);
    return (await ignoreNotFound(call))?.status;
  }

  /** @param labels all must match; none: every sandbox of the runtime. */
  async listPodSandboxes(labels: Record<string, string>, signal: AbortSignal): Promise<PodSandbox[]> {
    const request = { filter: { labelSelector: labels } };
    return (await this.#channel.callUnary(method.listPodSandbox, request, this.#timeoutMs, signal)).items;
  }

  /** @returns the container's id. */
  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const request = { podSandboxId, config, sandboxConfig };
    return (await this.#channel.callUnary(method.createContainer, request, this.#timeoutMs, signal)).containerId;
  }

  async startContainer(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.startContainer, { containerId }, this.#timeoutMs, signal);
  }

  /** SIGTERM, and SIGKILL after `graceSeconds`. Idempotent. */
  async stopContainer(containerId: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const request = { containerId, timeout: BigInt(Math.ceil(graceSeconds)) };
    const timeoutMs = graceSeconds * 1000 + this.#timeoutMs;
    await ignoreNotFound(this.#channel.callUnary(method.stopContainer, request, timeoutMs, signal));
  }

  /** Idempotent. A running container is killed. */
  async removeContainer(containerId: string, signal: AbortSignal): Promise<void> {
    await ignoreNotFound(this.#channel.callUnary(method.removeContainer, { containerId }, this.#timeoutMs, signal));
  }

  /** In every state. @param labels all must match; none: every container of the runtime. */
  async listContainers(labels: Record<string, string>, signal: AbortSignal): Promise<Container[]> {
    const request = { filter: { labelSelector: labels } };
    return (await this.#channel.callUnary(method.listContainers, request, this.#timeoutMs, signal)).containers;
  }

  /** @returns `undefined` if the runtime does not know it. */
  async containerStatus(containerId: string, signal: AbortSignal): Promise<ContainerStatus | undefined> {
    const call = this.#channel.callUnary(method.containerStatus, { containerId }, this.#timeoutMs, signal);
    return (await ignoreNotFound(call))?.status;
  }

  async updateContainerResources(
    containerId: string,
    linux: LinuxContainerResources,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#channel.callUnary(method.updateContainerResources, { containerId, linux }, this.#timeoutMs, signal);
  }

  async reopenContainerLog(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#channel.callUnary(method.reopenContainerLog, { containerId }, this.#timeoutMs, signal);
  }

  /**
   * Runs a command in a container. When `signal` aborts, nobody waits for it any more; it runs on until its time or its container
   * is over: a call that is cancelled while the command starts can leave containerd's shim (1.6) waiting for itself, and then the
   * container cannot be stopped.
   *
   * @param timeoutSeconds 0: as long as it takes.
   */
  async execSync(
    containerId: string,
    cmd: string[],
    timeoutSeconds: number,
    signal: AbortSignal,
  ): Promise<{ stdout: Uint8Array; stderr: Uint8Array; exitCode: number }> {
    const request = { containerId, cmd, timeout: BigInt(timeoutSeconds) };
    const timeoutMs = timeoutSeconds === 0 ? undefined : timeoutSeconds * 1000 + this.#timeoutMs;
    signal.throwIfAborted();
    return abortable(
      this.#channel.callUnary(method.execSync, request, timeoutMs, new AbortController().signal),
      signal,
    );
  }

  /** @returns the URL, good for one use, under which the runtime's streaming server runs the command. */
  async exec(request: ExecInputs & { readonly cmd: string[] }, signal: AbortSignal): Promise<string> {
    return (await this.#channel.callUnary(method.exec, request, this.#timeoutMs, signal)).url;
  }

  /** @returns as {@link exec}, for the container's own process. */
  async attach(request: ExecInputs, signal: AbortSignal): Promise<string> {
    return (await this.#channel.callUnary(method.attach, request, this.#timeoutMs, signal)).url;
  }

  /** @returns as {@link exec}, for connections to ports of the pod. */
  async portForward(
    request: { readonly podSandboxId: string; readonly port: number[] },
    signal: AbortSignal,
  ): Promise<string> {
    return (await this.#channel.callUnary(method.portForward, request, this.#timeoutMs, signal)).url;
  }

  async listContainerStats(signal: AbortSignal): Promise<ContainerStats[]> {
    return (await this.#channel.callUnary(method.listContainerStats, {}, this.#timeoutMs, signal)).stats;
  }
}

interface ExecInputs {
  readonly containerId: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

async function ignoreNotFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
