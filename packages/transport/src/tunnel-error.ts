import type { TunnelEndCode } from "@kedge/protocol";
import { CodedError } from "@kedge/runtime";

/** Why a connection through the tunnel ended otherwise than it should; the message is for its user. */
export class TunnelError extends CodedError<{
  readonly code: TunnelEndCode;
  /** Whether the other end said so; else this one did. */
  readonly byPeer: boolean;
}> {
  constructor(code: TunnelEndCode, message: string, byPeer = false) {
    super(message, { code, byPeer });
  }
}
