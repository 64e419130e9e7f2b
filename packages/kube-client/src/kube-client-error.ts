import { CodedError } from "@kedge/runtime";

/** The API server could not be asked, or what it said makes no sense. What it refuses is a `KubeApiError`. */
export class KubeClientError extends CodedError<
  | { readonly code: "Unreachable"; readonly server: string }
  | { readonly code: "TimedOut"; readonly server: string; readonly timeoutMs: number }
  | { readonly code: "ResponseTooLarge"; readonly responseBytesMax: number }
  | { readonly code: "BadResponse"; readonly path: string }
  | { readonly code: "CredentialUnavailable"; readonly source: string }
> {
  override readonly retryable = this.details.code !== "ResponseTooLarge";
}
