import { open } from "node:fs/promises";
import type { RuntimeContainer } from "./runtime-pod.ts";

/** Of one container; a pod's containers share 12 KiB. */
export const MESSAGE_BYTES_MAX = 4096;
export const POD_MESSAGES_BYTES_MAX = 12 * 1024;
const FALLBACK_BYTES_MAX = 2048;
const FALLBACK_LINES_MAX = 80;
/** A runtime writes no longer line: it cuts it in parts. Time and stream come on top. */
const LOG_LINE_BYTES_MAX = 16 * 1024 + 128;
/** Such a container never ran, so it has no log. */
const NEVER_RAN: readonly string[] = ["ContainerCannotRun", "StartError"];
const TIMESTAMP_AND_STREAM = /^\S+ std(?:out|err) ([PF])(?::\S*)? ?/;

/** What a container that ended had to say: the end of its termination message file, or of its log. */
export async function terminationMessage(container: RuntimeContainer): Promise<string> {
  const path = container.terminationMessageHostPath;
  const own = path === undefined ? "" : (await readEnd(path, MESSAGE_BYTES_MAX)).toString();
  if (own !== "") return own;
  const { terminationMessagePolicy, exitCode, reason, logPath } = container;
  if (terminationMessagePolicy !== "FallbackToLogsOnError" || exitCode === 0 || NEVER_RAN.includes(reason)) return "";
  return logTail(logPath);
}

async function logTail(path: string): Promise<string> {
  if (path === "") return "";
  // Each line carries some 40 bytes of time and stream, so more must be read than is kept; and a line whose head is not
  // there cannot be read.
  const raw = (await readEnd(path, FALLBACK_BYTES_MAX * 3 + LOG_LINE_BYTES_MAX)).toString();
  const lines = raw.split("\n").filter((line) => TIMESTAMP_AND_STREAM.test(line));
  let text = "";
  for (const line of lines.slice(-FALLBACK_LINES_MAX)) {
    const [head = "", kind] = TIMESTAMP_AND_STREAM.exec(line) ?? [];
    text += line.slice(head.length) + (kind === "P" ? "" : "\n");
  }
  const bytes = Buffer.from(text);
  return bytes.subarray(Math.max(0, bytes.byteLength - FALLBACK_BYTES_MAX)).toString();
}

async function readEnd(path: string, bytesMax: number): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const length = Math.min(size, bytesMax);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } catch {
    return Buffer.alloc(0); // the pod's directory is gone
  }
}
