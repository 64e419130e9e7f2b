import { CodedError } from "@kedge/runtime";

/** What an error of keadm is about: scripts match on it in `-o json`, people read the message. */
export type KeadmErrorCode =
  | "AgentFailed"
  | "BadConfig"
  | "BadInput"
  | "Busy"
  | "ChecksFailed"
  | "CloudFailed"
  | "Declined"
  | "NotFound"
  | "NotReady"
  | "NotRoot"
  | "NotSupported"
  | "ProgramFailed";

/** One sentence for the person at the keyboard: what is wrong, where, and after the colon what to do. */
export class KeadmError extends CodedError<{ readonly code: KeadmErrorCode; readonly subject: string }> {
  /** @param subject what it is about: a file, a flag, a node. */
  constructor(code: KeadmErrorCode, subject: string, message: string, options?: ErrorOptions) {
    super(message, { code, subject }, options);
  }
}
