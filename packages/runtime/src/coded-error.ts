/** What every error of ours tells a program: a code to match on, and facts of its own. */
export interface ErrorDetails {
  readonly code: string;
}

/**
 * An error that programs match by `details.code` and people read by `message`.
 *
 * @typeParam D a union of `{ code: "Name", …facts }`, one member for each way to fail.
 */
export class CodedError<D extends ErrorDetails = ErrorDetails> extends Error {
  readonly details: D;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean = false;

  constructor(message: string, details: D, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.details = details;
  }

  get code(): D["code"] {
    return this.details.code;
  }
}

/** Whatever was thrown, as an Error; an Error is returned as it is. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new Error(typeof thrown === "string" ? thrown : JSON.stringify(thrown), { cause: thrown });
}

/** A {@link CodedError} knows whether it may heal; of any other error we assume so. */
export function isRetryable(error: unknown): boolean {
  return error instanceof CodedError ? error.retryable : true;
}

/** Narrows to a coded error with this code, of whichever class. */
export function hasCode<C extends string>(error: unknown, code: C): error is CodedError<{ readonly code: C }> {
  return error instanceof CodedError && error.code === code;
}
