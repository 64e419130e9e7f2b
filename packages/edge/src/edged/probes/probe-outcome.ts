/** What a probe found, and what users are told of it. A warning is a success that they should know of. */
export interface ProbeOutcome {
  readonly result: "success" | "warning" | "failure";
  readonly output: string;
}

/** Of a probe's answer this much is read. */
export const PROBE_OUTPUT_BYTES_MAX = 10 * 1024;

export function succeeded(output = ""): ProbeOutcome {
  return { result: "success", output };
}

export function failed(output: string): ProbeOutcome {
  return { result: "failure", output };
}
