import { CodedError } from "@kedge/runtime";
import type { KubeStatus } from "./kube-object.ts";

/** The API server said no. `details.code` is the Status' reason: `NotFound`, `Conflict`, `AlreadyExists`, `Invalid`, … */
export class KubeApiError extends CodedError<{
  readonly code: string;
  readonly httpStatus: number;
  readonly status: KubeStatus;
}> {
  override readonly retryable: boolean;

  constructor(status: KubeStatus, options?: ErrorOptions) {
    const httpStatus = status.code ?? 500;
    super(
      status.message ?? status.reason ?? `the API server answered ${httpStatus}`,
      { code: status.reason ?? "Unknown", httpStatus, status },
      options,
    );
    this.retryable = httpStatus === 409 || httpStatus === 429 || httpStatus >= 500;
  }

  get status(): KubeStatus {
    return this.details.status;
  }
}
