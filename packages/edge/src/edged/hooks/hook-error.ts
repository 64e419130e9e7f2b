import { CodedError } from "@kedge/runtime";

/** A hook came to no good end; `message` is what a user sees beside `PostStartHookError`. */
export class HookError extends CodedError<{ readonly code: "HookFailed" }> {
  constructor(message: string, cause?: unknown) {
    super(message, { code: "HookFailed" }, { cause });
  }
}
