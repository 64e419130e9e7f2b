import { CodedError } from "@kedge/runtime";

/** What is wrong with certificates, keys, tokens, or with a request for one. */
export class PkiError extends CodedError<
  | { readonly code: "InvalidRequest" }
  | { readonly code: "InvalidKey"; readonly where: string }
  | { readonly code: "HalfPair"; readonly present: string; readonly missing: string }
  | { readonly code: "KeyMismatch"; readonly where: string }
  | { readonly code: "NoCa"; readonly where: string }
  | { readonly code: "TokenMalformed" }
  | { readonly code: "TokenForged" }
  | { readonly code: "TokenExpired"; readonly expiredAtMs: number }
  | { readonly code: "TokenNotYetValid"; readonly validFromMs: number }
  | { readonly code: "TokenSwitchedOff" }
  | { readonly code: "TokenUnknown"; readonly id: string }
  | { readonly code: "TokenUsedUp"; readonly id: string }
  | { readonly code: "TokenOfOtherNode"; readonly id: string; readonly node: string }
> {}
