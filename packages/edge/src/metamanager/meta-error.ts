import { CodedError } from "@kedge/runtime";

type MetaErrorDetails =
  | { readonly code: "BadMessage"; readonly resource: string }
  | { readonly code: "Unsupported"; readonly operation: string; readonly resource: string }
  | { readonly code: "NotConnected" }
  | { readonly code: "NotSupported" };

/**
 * What MetaManager refuses, besides the API server's own answers (`KubeApiError`). `NotConnected`: the cloud is away, and
 * nobody here can tell. `NotSupported`: the cloud is a stock one, and knows nothing of what is asked.
 */
export class MetaError extends CodedError<MetaErrorDetails> {
  override readonly retryable = this.details.code === "NotConnected";
}
