import { CodedError } from "@kedge/runtime";

/** A value has another type than its field: the API server answers 400, as for a body that is no JSON. */
export class DecodeError extends CodedError<{ readonly code: "BadType"; readonly field: string }> {
  constructor(field: string, problem: string) {
    super(`json: ${field}: ${problem}`, { code: "BadType", field });
  }
}
