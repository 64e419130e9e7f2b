import { CriError, type RuntimeService } from "@kedge/cri";
import { formatGoDuration } from "../pods/go-duration.ts";
import { failed, PROBE_OUTPUT_BYTES_MAX, type ProbeOutcome, succeeded } from "./probe-outcome.ts";

/**
 * Well is in whom the command ends with 0 in time.
 *
 * @throws CriError when the command cannot be run at all: that says nothing of the container.
 */
export async function execProbe(
  runtime: RuntimeService,
  containerId: string,
  command: string[],
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(containerId, command, timeoutSeconds, signal);
    const output = Buffer.concat([stdout, stderr]).subarray(0, PROBE_OUTPUT_BYTES_MAX).toString();
    return exitCode === 0 ? succeeded(output) : failed(output);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CriError && error.code === "DeadlineExceeded")) throw error;
    const after = formatGoDuration(timeoutSeconds * 1000);
    return failed(`command timed out: ${JSON.stringify(command.join(" "))} timed out after ${after}`);
  }
}
