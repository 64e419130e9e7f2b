import { CodedError } from "@kedge/runtime";

/** What is wrong with certificates, keys, tokens, or with a request for one. */
export class PkiError extends CodedError<
  | { readonly code: "InvalidRequest" }
  | { readonly code: "InvalidKey"; readonly where: string }
  | { readonly code: "HalfPair"; readonly present: string; readonly missing: string }
  | { readonly code: "KeyMismatch"; readonly where: string }
  | { readonly code: "TokenMalformed" }
  | { readonly code: "TokenForged" }
  | { readonly code: "TokenExpired"; readonly expiredAtMs: number }
> {}
