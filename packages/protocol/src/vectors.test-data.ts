import { readFileSync } from "node:fs";
import type { Message } from "./message.ts";

/** One entry of the recorded frames: what stock KubeEdge's own code wrote. */
export interface FrameVector {
  readonly name: string;
  readonly direction: "edge_to_cloud" | "cloud_to_edge";
  readonly message: Message;
  readonly ws_payload_hex: string;
  readonly ack_required?: boolean | null;
  readonly cloud_internal_resource?: string | null;
}

const file = new URL("../../../test/vectors/cloud-edge-frames.json", import.meta.url);

export const FRAME_VECTORS = (JSON.parse(readFileSync(file, "utf8")) as { vectors: FrameVector[] }).vectors;

export function frameVector(name: string): Message {
  const found = FRAME_VECTORS.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`no vector is called ${name}`);
  return found.message;
}
