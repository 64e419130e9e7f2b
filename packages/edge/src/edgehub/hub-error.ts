import { CodedError } from "@kedge/runtime";

/**
 * Why this node is not, or cannot be, connected. The message names the one cause and the one thing to do.
 *
 * `retryable` tells whether time alone may heal it; the others need somebody to change something.
 */
export class HubError extends CodedError<
  | { readonly code: "NotConnected" }
  | { readonly code: "NotSupported" }
  | { readonly code: "LeaseRefused"; readonly reason: string }
  | { readonly code: "Timeout"; readonly resource: string; readonly timeoutMs: number }
  | { readonly code: "QueueFull"; readonly waiting: number; readonly waitingMax: number }
  | { readonly code: "NameNotResolved"; readonly host: string }
  | { readonly code: "ConnectionRefused"; readonly address: string }
  | { readonly code: "Unreachable"; readonly address: string }
  | { readonly code: "WrongServerName"; readonly address: string }
  | { readonly code: "UnknownAuthority"; readonly address: string }
  | { readonly code: "ClockWrong"; readonly address: string }
  | { readonly code: "ServerCertificateExpired"; readonly address: string }
  | { readonly code: "HungUp"; readonly address: string }
  | { readonly code: "CertificateRejected"; readonly address: string }
  | { readonly code: "ServerRefused"; readonly httpStatus: number; readonly retryAfterMs: number | undefined }
  | { readonly code: "ConnectFailed"; readonly address: string }
  | { readonly code: "NoCertificate"; readonly certFile: string }
  | { readonly code: "TokenMalformed" }
  | { readonly code: "TokenExpired"; readonly expiredMs: number }
  | { readonly code: "TokenRefused"; readonly fix: string }
  | { readonly code: "CaHashMismatch"; readonly expected: string; readonly found: string }
  | { readonly code: "BadConfig"; readonly path: string }
  | { readonly code: "BadCertificate"; readonly reason: string }
  | { readonly code: "DuplicateName"; readonly nodeName: string }
> {
  override readonly retryable = !NEEDS_SOMEBODY.has(this.details.code);
}

const NEEDS_SOMEBODY: ReadonlySet<string> = new Set([
  "NoCertificate",
  "TokenMalformed",
  "TokenExpired",
  "TokenRefused",
  "CaHashMismatch",
  "BadCertificate",
  "BadConfig",
]);
