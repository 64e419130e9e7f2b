import { CodedError } from "@kedge/runtime";

/**
 * A patch that cannot be applied. `Malformed`: not a patch at all (400). `Conflict`: a JSON patch `test` failed, or a
 * path is missing (422). `Forbidden`: it names `__proto__` (400).
 */
export class PatchError extends CodedError<{ readonly code: "Malformed" | "Unappliable" | "Forbidden" }> {
  constructor(code: "Malformed" | "Unappliable" | "Forbidden", message: string) {
    super(message, { code });
  }
}
