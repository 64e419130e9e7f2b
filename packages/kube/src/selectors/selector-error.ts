import { CodedError } from "@kedge/runtime";

/** A selector that cannot be read; the API server answers it with 400. */
export class SelectorError extends CodedError<{ readonly code: "BadSelector"; readonly selector: string }> {
  constructor(message: string, selector: string) {
    super(message, { code: "BadSelector", selector });
  }
}
