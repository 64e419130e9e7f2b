import { CodedError } from "@kedge/runtime";

/** Something the person at the keyboard can mend: its message is one sentence and is all that is printed. */
export class UserError extends CodedError<{ readonly code: "UserError"; readonly subject: string }> {
  constructor(message: string, subject: string, options?: ErrorOptions) {
    super(message, { code: "UserError", subject }, options);
  }
}
