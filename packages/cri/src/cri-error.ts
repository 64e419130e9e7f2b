import { CodedError } from "@kedge/runtime";

/** gRPC's status codes by number, as `google.rpc.Code` names them. */
const CODE_NAMES = (
  "OK Cancelled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted " +
  "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated"
).split(" ");

/** @returns `NotFound` for 5, say. */
export function grpcCodeName(code: number): string {
  return CODE_NAMES[code] ?? "Unknown";
}

/** The container runtime, or a plugin on its own socket, said no, or cannot be reached (`Unavailable`). `code` is the name of the gRPC status. */
export class CriError extends CodedError<{ readonly code: string; readonly grpcCode: number; readonly call: string }> {
  /** What is refused for good stays so; all else may heal, since the runtime may be restarting. */
  override readonly retryable = !["InvalidArgument", "PermissionDenied", "Unimplemented"].includes(this.details.code);

  /** @param server who should have answered. */
  constructor(call: string, grpcCode: number, details: string, cause?: unknown, server = "containerd") {
    const code = grpcCodeName(grpcCode);
    const hint = code === "Unavailable" || code === "DeadlineExceeded" ? ` (is ${server} running?)` : "";
    super(`${call}: ${details}${hint}`, { code, grpcCode, call }, { cause });
  }
}

/** The runtime does not know it (any more): of a stop or removal this is success. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CriError && error.code === "NotFound";
}
