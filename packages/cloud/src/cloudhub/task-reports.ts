import { Refusal } from "./refusal.ts";

/** Longest report of a node task, in bytes; as in KubeEdge. */
export const TASK_REPORT_BYTES_MAX = 3 * 1024 * 1024;

/**
 * What older edges report here about upgrades. KubeEdge takes it from anybody (W5), and reads who it is about before it
 * has read the report (W37). Nobody works on these tasks here: edges of today report over the channel.
 *
 * @param node whose certificate was presented.
 * @param reported whom the report is about.
 * @throws {Refusal} always.
 */
export function takeTaskReport(node: string, reported: unknown): never {
  if (reported !== node)
    throw Refusal.of(
      "otherName",
      403,
      `node ${node} may report about itself only: send the report with the other node's certificate`,
    );
  throw Refusal.of(
    "notSupported",
    501,
    "this cloudcore takes no task reports over HTTPS: use an edge that reports over the channel (KubeEdge 1.20 and later)",
  );
}

/** @returns undefined if the body is no report. */
export function reportedNode(body: Buffer): unknown {
  try {
    const report: unknown = JSON.parse(body.toString("utf8"));
    return typeof report === "object" && report !== null ? (report as { NodeName?: unknown }).NodeName : undefined;
  } catch {
    return undefined;
  }
}
