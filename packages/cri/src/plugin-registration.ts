import { type PluginInfo, Registration } from "./generated/pluginregistration/v1/api_pb.js";
import { GrpcChannel } from "./grpc-channel.ts";

const { method } = Registration;

/** One socket in a kubelet's `plugins_registry`: asks who is there, and says what became of it. */
export class PluginRegistration implements Disposable {
  readonly #channel: GrpcChannel;
  readonly #timeoutMs: number;

  constructor(socketPath: string, timeoutMs: number) {
    this.#channel = new GrpcChannel(socketPath, "the plugin");
    this.#timeoutMs = timeoutMs;
  }

  /** @throws CriError */
  info(signal: AbortSignal): Promise<PluginInfo> {
    return this.#channel.callUnary(method.getInfo, {}, this.#timeoutMs, signal);
  }

  /** @param error why it was not registered; empty: it was. @throws CriError */
  async notify(error: string, signal: AbortSignal): Promise<void> {
    const status = { pluginRegistered: error === "", error };
    await this.#channel.callUnary(method.notifyRegistrationStatus, status, this.#timeoutMs, signal);
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}
