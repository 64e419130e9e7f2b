import { CodedError } from "@kedge/runtime";

/** A container cannot have CPUs of its own. `admissionReason` is what its pod's status shows, if not the general one. */
export class CpuError extends CodedError<{ readonly code: "CpusUnavailable" | "SMTAlignmentError" }> {
  override readonly retryable: boolean = false;
  readonly admissionReason: string | undefined =
    this.details.code === "SMTAlignmentError" ? "SMTAlignmentError" : undefined;
}
