import { CodedError } from "@kedge/runtime";

/** Why calls of the CSI driver cannot be taken, or one of them cannot be passed on. */
export class CsiDriverError extends CodedError<
  | { readonly code: "BadAddress" | "CannotListen"; readonly address: string }
  | { readonly code: "BadCall" | "TooLarge" | "NoAnswer" }
> {}
