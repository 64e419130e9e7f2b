import { request } from "node:http";
import type { EdgeCoreConfig } from "@kedge/api";

const ANSWER_MS = 2_000;
const ANSWER_BYTES_MAX = 256 * 1024;

/** What a running agent says of itself, as far as we use it. @see docs/TROUBLESHOOTING.md */
export interface AgentStatus {
  readonly connected: boolean;
  readonly registered: boolean;
  /** What is wrong, where, and what to do. */
  readonly lastError: string | undefined;
}

/** @returns `undefined` if nobody answers, or it is not this node's agent: several may live on one machine. */
export async function askStatus(
  config: EdgeCoreConfig,
  nodeName: string,
  signal: AbortSignal,
): Promise<AgentStatus | undefined> {
  const { address, readOnlyPort } = config.modules.edged.tailoredKubeletConfig;
  if (readOnlyPort === 0) return undefined;
  const text = await get(address, readOnlyPort, signal);
  signal.throwIfAborted();
  try {
    const status = JSON.parse(text ?? "null") as Record<string, unknown> | null;
    if (status?.["node"] !== nodeName) return undefined;
    const lastError = status["lastError"] as { message?: unknown } | undefined;
    return {
      connected: status["connected"] === true,
      registered: status["registered"] === true,
      lastError: typeof lastError?.message === "string" ? lastError.message : undefined,
    };
  } catch {
    return undefined;
  }
}

function get(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const asked = request({ host, port, path: "/status", agent: false, signal: limit }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) answer.destroy();
      });
      answer.on("end", () => resolve(answer.statusCode === 200 ? text : undefined));
      answer.on("error", () => resolve(undefined));
    });
    asked.on("error", () => resolve(undefined));
    asked.end();
  });
}
