import { CodedError } from "@kedge/runtime";

/** How setting a volume up fails. Every one may heal: somebody creates the Secret, frees the mount. */
export type VolumeErrorCode =
  | "VolumeNotFound"
  | "VolumeNotSupported"
  | "VolumeSourceMissing"
  | "ClaimNotReady"
  | "DriverNotReady"
  | "NotAttached"
  | "HostPathTypeMismatch"
  | "InvalidVolume"
  | "MountFailed"
  | "VolumeBusy";

export class VolumeError extends CodedError<{ readonly code: VolumeErrorCode; readonly volume?: string | undefined }> {
  override readonly retryable: boolean = true;
}
