import { CodedError } from "@kedge/runtime";

/** What is wrong with a peer's message. None is retryable: the same bytes stay wrong. */
export class ProtocolError extends CodedError<
  | { readonly code: "EmptyMessage" }
  | { readonly code: "MessageTooLarge"; readonly bytes: number; readonly bytesMax: number }
  | { readonly code: "MessageTooComplex" }
  | { readonly code: "InvalidUtf8" }
  | { readonly code: "InvalidJson" }
  | { readonly code: "InvalidMember"; readonly member: string; readonly found: string }
  | { readonly code: "InvalidResource"; readonly resource: string }
  | { readonly code: "InvalidContent"; readonly resource: string }
  | { readonly code: "BadCompression"; readonly bytes: number }
  | { readonly code: "BadControlFrame"; readonly kind: number; readonly bytes: number }
  | { readonly code: "BadTunnelFrame"; readonly bytes: number }
  | { readonly code: "BadTunnelConnect"; readonly member: string }
  | { readonly code: "BadCredit"; readonly bytes: number }
> {}
