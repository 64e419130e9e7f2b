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
