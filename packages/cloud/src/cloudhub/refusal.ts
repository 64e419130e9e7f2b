import { CodedError } from "@kedge/runtime";

/** Why somebody may not join, as metrics and logs call it. */
export type RefusalCode =
  | "badRequest"
  | "badNodeName"
  | "noCredential"
  | "badCertificate"
  | "badToken"
  | "otherName"
  | "duplicateName"
  | "notAnEdgeNode"
  | "notRenewable"
  | "lockedOut"
  | "tooManyRequests"
  | "tooLarge"
  | "notSupported";

/** Why a request to port 10002 is refused. `message` is the one cause and, after the colon, the one thing to do. */
export class Refusal extends CodedError<{
  readonly code: RefusalCode;
  readonly httpStatus: number;
  /** It is a matter of clocks: whoever reads it must know what time it is here. */
  readonly aboutTime?: boolean | undefined;
  readonly retryAfterSeconds?: number | undefined;
}> {
  static of(
    code: RefusalCode,
    httpStatus: number,
    message: string,
    facts: { readonly aboutTime?: boolean; readonly retryAfterSeconds?: number } = {},
  ): Refusal {
    return new Refusal(message, { code, httpStatus, ...facts });
  }
}
