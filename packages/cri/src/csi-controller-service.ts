import {
  type DescMessage,
  type DescMethodUnary,
  fromJsonString,
  type JsonObject,
  type MessageInitShape,
  toJson,
} from "@bufbuild/protobuf";
import { Controller } from "./generated/csi/v1/csi_pb.js";
import { GrpcChannel } from "./grpc-channel.ts";

const { method } = Controller;
/** As messages name them. */
export type CsiControllerCall =
  | "createvolume"
  | "deletevolume"
  | "controllerpublishvolume"
  | "controllerunpublishvolume";

/** The controller's side of a CSI driver, as it is asked through the cloud: with requests and replies in JSON. */
export class CsiControllerService implements Disposable {
  readonly #channel: GrpcChannel;
  readonly #timeoutMs: number;

  constructor(endpoint: string, driver: string, timeoutMs: number) {
    this.#channel = new GrpcChannel(endpoint, `CSI driver ${driver}`);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param requestJson protobuf's JSON.
   * @returns the reply as a Go program writes it: fields by their names in the protocol, numbers as numbers.
   * @throws CriError; Error: the request is no such JSON.
   */
  async call(operation: CsiControllerCall, requestJson: string, signal: AbortSignal): Promise<JsonObject> {
    switch (operation) {
      case "createvolume":
        return withNumbers(await this.#call(method.createVolume, requestJson, signal));
      case "deletevolume":
        return this.#call(method.deleteVolume, requestJson, signal);
      case "controllerpublishvolume":
        return this.#call(method.controllerPublishVolume, requestJson, signal);
      case "controllerunpublishvolume":
        return this.#call(method.controllerUnpublishVolume, requestJson, signal);
    }
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    call: DescMethodUnary<I, O>,
    requestJson: string,
    signal: AbortSignal,
  ): Promise<JsonObject> {
    const request = fromJsonString(call.input, requestJson, { ignoreUnknownFields: true });
    const reply = await this.#channel.callUnary(call, request as MessageInitShape<I>, this.#timeoutMs, signal);
    return toJson(call.output, reply, { useProtoFieldName: true }) as JsonObject;
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}

/** Protobuf's JSON has long numbers as text. */
function withNumbers({ volume, ...reply }: JsonObject): JsonObject {
  if (typeof volume !== "object" || volume === null || Array.isArray(volume)) return reply;
  const { capacity_bytes: bytes, ...rest } = volume;
  return { ...reply, volume: { ...(bytes !== undefined && { capacity_bytes: Number(bytes) }), ...rest } };
}
