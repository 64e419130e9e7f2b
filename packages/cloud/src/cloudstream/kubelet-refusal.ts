import { CodedError } from "@kedge/runtime";

/** Why a request for a node's kubelet endpoint is not served; `message` is what the user of kubectl reads. */
export class KubeletRefusal extends CodedError<{
  readonly code:
    | "Unauthorized"
    | "Forbidden"
    | "NoSuchRoute"
    | "UpgradeNeeded"
    | "NodeUnknown"
    | "NotConnected"
    | "NotSupported"
    | "TooManySessions"
    | "BadAnswer"
    | "CannotTell";
  readonly httpStatus: 400 | 401 | 403 | 404 | 429 | 501 | 502 | 503;
}> {
  static of(code: KubeletRefusal["details"]["code"], message: string, cause?: unknown): KubeletRefusal {
    return new KubeletRefusal(message, { code, httpStatus: STATUS[code] }, cause === undefined ? undefined : { cause });
  }
}

const STATUS = {
  Unauthorized: 401,
  Forbidden: 403,
  NoSuchRoute: 404,
  UpgradeNeeded: 400,
  NodeUnknown: 404,
  NotConnected: 503,
  NotSupported: 501,
  TooManySessions: 429,
  BadAnswer: 502,
  CannotTell: 503,
} as const;
