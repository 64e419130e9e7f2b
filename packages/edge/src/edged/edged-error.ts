import { CodedError } from "@kedge/runtime";

/**
 * Why a container does not run. `code` is what users see as `state.waiting.reason`, `message` what stands beside it.
 *
 * @see `edge-runtime` §2.8 and §3.3, start failures
 */
export class ContainerStartError extends CodedError<{
  readonly code:
    | "CrashLoopBackOff"
    | "CreateContainerError"
    | "ErrImageNeverPull"
    | "ErrImagePull"
    | "ImageInspectError"
    | "ImagePullBackOff"
    | "InvalidImageName"
    | "PostStartHookError"
    | "RegistryUnavailable"
    | "SignatureValidationFailed"
    | "RunContainerError";
  /** How long to wait before it makes sense to try again; undefined: the worker's usual time. */
  readonly retryAfterMs?: number | undefined;
}> {
  override readonly retryable: boolean = true;
}
