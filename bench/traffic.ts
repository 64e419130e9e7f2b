import { execFileSync } from "node:child_process";

export interface Traffic {
  /** What TLS has written and read: what the connection would cost with headers that cost nothing. */
  readonly payloadBytes: number;
  /** With the headers of IP and TCP. */
  readonly wireBytes: number;
}

/** IPv4 and TCP with time stamps, as Linux sends them. */
const HEADER_BYTES = 52;

/** What has gone either way over this host's connections to a port so far, as the kernel counts it. */
export function trafficTo(port: number): Traffic {
  const connections = execFileSync("ss", ["-Htin", "state", "established", "dport", "=", `:${port}`], {
    encoding: "utf8",
  });
  const sum = (field: string) =>
    [...connections.matchAll(new RegExp(`\\b${field}:(\\d+)`, "g"))].reduce(
      (total, [, count]) => total + Number(count),
      0,
    );
  const payloadBytes = sum("bytes_sent") + sum("bytes_received");
  return { payloadBytes, wireBytes: payloadBytes + HEADER_BYTES * (sum("segs_out") + sum("segs_in")) };
}

/** Bytes on an agent's link to the cloud so far, both ways, with WebSocket's headers, by type of resource. */
export async function trafficByResource(healthUrl: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${healthUrl}/metrics`)).text();
  const bytes = new Map<string, number>();
  for (const [, resource = "", count] of text.matchAll(TRAFFIC))
    bytes.set(resource, (bytes.get(resource) ?? 0) + Number(count));
  return bytes;
}

const TRAFFIC = /^kedge_edge_traffic_bytes_total\{.*resource="([^"]*)"\} (\d+)$/gm;
