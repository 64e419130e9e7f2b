import { open } from "node:fs/promises";
import type { RuntimeContainer } from "./runtime-pod.ts";

/** Of one container; a pod's containers share 12 KiB. */
export const MESSAGE_BYTES_MAX = 4096;
export const POD_MESSAGES_BYTES_MAX = 12 * 1024;
const FALLBACK_BYTES_MAX = 2048;
const FALLBACK_LINES_MAX = 80;
const TIMESTAMP_AND_STREAM = /^\S+ std(?:out|err) ([PF])(?::\S*)? ?/;

/** What a container that ended had to say: its termination message file, or the end of its log. */
export async function terminationMessage(container: RuntimeContainer): Promise<string> {
  const path = container.terminationMessageHostPath;
  const own = path === undefined ? "" : (await readEdge(path, "start", MESSAGE_BYTES_MAX)).toString();
  if (own !== "") return own;
  if (container.terminationMessagePolicy === "FallbackToLogsOnError" && container.exitCode !== 0)
    return logTail(container.logPath);
  return "";
}

async function logTail(path: string): Promise<string> {
  if (path === "") return "";
  // Each line carries some 40 bytes of time and stream, so more must be read than is kept.
  const raw = (await readEdge(path, "end", FALLBACK_BYTES_MAX * 3)).toString();
  const lines = raw.split("\n").filter((line) => TIMESTAMP_AND_STREAM.test(line));
  let text = "";
  for (const line of lines.slice(-FALLBACK_LINES_MAX)) {
    const [head = "", kind] = TIMESTAMP_AND_STREAM.exec(line) ?? [];
    text += line.slice(head.length) + (kind === "P" ? "" : "\n");
  }
  const bytes = Buffer.from(text);
  return bytes.subarray(Math.max(0, bytes.byteLength - FALLBACK_BYTES_MAX)).toString();
}

async function readEdge(path: string, edge: "start" | "end", bytesMax: number): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const length = Math.min(size, bytesMax);
    const position = edge === "start" ? 0 : size - length;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } catch {
    return Buffer.alloc(0); // the pod's directory is gone
  }
}
