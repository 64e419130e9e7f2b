import { KubeApiError, type KubeObject, type KubeStatus } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { OK } from "./catalogue.ts";

/** How an error travels. KubeEdge also sends other shapes, which say less; we read those, too, but never send them. */
export interface ErrStatusContent {
  readonly ErrStatus: KubeStatus;
}

/** Content of an answer that carries an object or says why not. */
export interface ObjectResp<T extends KubeObject = KubeObject> {
  readonly Object: T | null;
  readonly Err: ErrStatusContent | null;
}

/** Any failure as `{"ErrStatus": <metav1.Status>}`, whose status is always filled: W23, W24. */
export function errStatus(thrown: unknown): ErrStatusContent {
  const status = thrown instanceof KubeApiError ? thrown.status : undefined;
  return {
    ErrStatus: {
      metadata: {},
      status: "Failure",
      message: status?.message ?? toError(thrown).message,
      reason: status?.reason ?? "InternalError",
      ...(status?.details !== undefined && { details: status.details }),
      code: status?.code ?? 500,
    },
  };
}

/** Whether an answer's content is an error in one of the shapes that name themselves: ErrStatus, a Status, an ObjectResp. */
export function isErrorContent(content: unknown): boolean {
  if (!isObject(content)) return false;
  if (content["ErrStatus"] !== undefined && content["ErrStatus"] !== null) return true;
  return content["kind"] === "Status" && content["status"] === "Failure";
}

/**
 * The object of an {@link ObjectResp}.
 *
 * @throws {KubeApiError} if `Err` holds anything at all, whatever its shape (W24), or there is no object.
 */
export function readObjectResp<T extends KubeObject>(content: unknown): T {
  if (isObject(content) && !isErrorContent(content)) {
    const { Err, Object: object } = content;
    if (Err !== undefined && Err !== null) throw errorOf(Err);
    if (isObject(object)) return object as T;
  }
  throw errorOf(content);
}

/**
 * The bare object that answers a query.
 *
 * @throws {KubeApiError} if it is an error, or no object: an error must never be stored as the object (W23).
 */
export function readQueriedObject<T extends KubeObject>(content: unknown): T {
  if (isObject(content) && !isErrorContent(content) && isObject(content["metadata"])) return content as T;
  throw errorOf(content);
}

/** For answers that only say yes. @throws {KubeApiError} if the content is anything but `OK`. */
export function readOk(content: unknown): void {
  if (content !== OK) throw errorOf(content);
}

/** Whatever stands where an error is expected, as an error; a shape that says nothing becomes an InternalError. */
function errorOf(content: unknown): KubeApiError {
  const status = isObject(content) && isObject(content["ErrStatus"]) ? content["ErrStatus"] : content;
  if (isObject(status) && (typeof status["reason"] === "string" || typeof status["code"] === "number"))
    return new KubeApiError(readStatus(status));
  const text = typeof content === "string" ? content : JSON.stringify(content);
  return new KubeApiError({
    status: "Failure",
    reason: "InternalError",
    code: 500,
    message: `the cloud could not do it, and says: ${text.slice(0, ERROR_TEXT_CHARS_MAX)}`,
  });
}

const ERROR_TEXT_CHARS_MAX = 1_000;

function readStatus(status: Record<string, unknown>): KubeStatus {
  const { message, reason, code, details } = status;
  return {
    status: "Failure",
    message: typeof message === "string" ? message : "the cloud gave no message",
    reason: typeof reason === "string" && reason !== "" ? reason : "Unknown",
    code: typeof code === "number" && code >= 100 && code < 600 ? code : 500,
    ...(isObject(details) && { details: details as NonNullable<KubeStatus["details"]> }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
