import { CodedError } from "@kedge/runtime";

/** What the kubelet endpoint refuses; `status` is HTTP's. */
export class KubeletError extends CodedError<{
  readonly code: "BadRequest" | "NotFound" | "LogGone" | "NotReady" | "RuntimeFailed";
  readonly status: number;
}> {
  static badRequest(message: string): KubeletError {
    return new KubeletError(message, { code: "BadRequest", status: 400 });
  }

  static notFound(message: string): KubeletError {
    return new KubeletError(message, { code: "NotFound", status: 404 });
  }

  static logGone(message: string): KubeletError {
    return new KubeletError(message, { code: "LogGone", status: 410 });
  }

  static notReady(message: string): KubeletError {
    return new KubeletError(message, { code: "NotReady", status: 503 });
  }

  static runtimeFailed(message: string, cause?: unknown): KubeletError {
    return new KubeletError(message, { code: "RuntimeFailed", status: 500 }, { cause });
  }
}
