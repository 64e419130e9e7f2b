import { readFileSync } from "node:fs";

/** One recorded frame of the stream tunnel: what stock KubeEdge's own code wrote. */
export interface TunnelVector {
  readonly name: string;
  readonly direction: "edge_to_cloud" | "cloud_to_edge";
  /** Up to 2^64 - 1. */
  readonly connect_id: string;
  readonly message_type: number;
  readonly message_type_name: string;
  readonly data_hex: string;
  readonly data_json?: {
    readonly MessID: number;
    readonly url: { readonly Scheme: string; readonly Host: string; readonly Path: string; readonly RawQuery: string };
    readonly header: Readonly<Record<string, readonly string[]>>;
    readonly method?: string;
  };
  readonly frame_hex: string;
}

const folder = new URL("../../../test/vectors/", import.meta.url);

export const TUNNEL_VECTORS = (
  JSON.parse(readFileSync(new URL("tunnel-frames.json", folder), "utf8")) as { vectors: TunnelVector[] }
).vectors;

/** Every frame of the recorded conversation between stock ends. */
export const TUNNEL_CONVERSATION = readFileSync(new URL("conversations/tunnel.jsonl", folder), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { dir?: "edge_to_cloud" | "cloud_to_edge"; hex?: string })
  .flatMap(({ dir, hex }) => (dir !== undefined && hex !== undefined ? [{ direction: dir, hex }] : []));
