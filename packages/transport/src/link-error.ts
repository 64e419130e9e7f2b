import { CodedError } from "@kedge/runtime";

/** Why a link could not be opened, or could not carry a message. */
export class LinkError extends CodedError<
  | { readonly code: "NotConnected" }
  | { readonly code: "NotAgreed" }
  | { readonly code: "QueueFull"; readonly waiting: number; readonly waitingMax: number }
  /** The server answered the request to open a channel with this HTTP status, and says why in `reason`. */
  | {
      readonly code: "Refused";
      readonly httpStatus: number;
      readonly reason: string;
      readonly retryAfterSeconds: number | undefined;
    }
  | { readonly code: "ConnectFailed"; readonly url: string; readonly cause: string }
  | { readonly code: "ConnectTimeout"; readonly url: string; readonly timeoutMs: number }
> {
  override readonly retryable = this.details.code !== "NotAgreed";
}

/** Why a link ended. Who ends it first gives the reason. */
export interface LinkClosed {
  readonly reason:
    | "closedByUs"
    | "closedByPeer"
    | "connectionLost"
    | "writeTimeout"
    | "peerSilent"
    | "messageTooLarge"
    | "badMessages"
    | "handlerFailed";
  /** For people: the WebSocket close code and text, or the socket's error. */
  readonly detail: string;
}
