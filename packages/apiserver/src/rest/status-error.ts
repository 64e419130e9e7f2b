import { KubeApiError, type KubeStatus, type ResourceType } from "@kedge/kube";
import type { FieldError } from "../resources/resource-definition.ts";

type Named = Pick<ResourceType, "group" | "resource">;

/** How Kubernetes calls a resource in messages: `pods`, `deployments.apps`. */
export function qualifiedResource({ group, resource }: Named): string {
  return group === "" ? resource : `${resource}.${group}`;
}

function failure(
  code: number,
  reason: string,
  message: string,
  details?: NonNullable<KubeStatus["details"]>,
): KubeApiError {
  return new KubeApiError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  });
}

/** `details.kind` is the resource, as in Kubernetes. */
function detailsOf({ group, resource }: Named, name: string): NonNullable<KubeStatus["details"]> {
  return { ...(name === "" ? {} : { name }), ...(group === "" ? {} : { group }), kind: resource };
}

export function notFound(type: Named, name: string): KubeApiError {
  return failure(404, "NotFound", `${qualifiedResource(type)} "${name}" not found`, detailsOf(type, name));
}

/** The path leads nowhere; `kubectl` explains it to its user in its own words. */
export function noSuchPath(): KubeApiError {
  return failure(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(type: Named, name: string): KubeApiError {
  return failure(409, "AlreadyExists", `${qualifiedResource(type)} "${name}" already exists`, detailsOf(type, name));
}

export function conflict(type: Named, name: string, because: string): KubeApiError {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(type)} "${name}": ${because}`;
  return failure(409, "Conflict", message, detailsOf(type, name));
}

export const MODIFIED_SINCE =
  "the object has been modified; please apply your changes to the latest version and try again";

export function invalid(
  { group, kind }: Pick<ResourceType, "group" | "kind">,
  name: string,
  errors: readonly FieldError[],
): KubeApiError {
  // What is found twice is said once, and counts twice: as Kubernetes' own server has it.
  const lines = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const [only = ""] = lines;
  const text = lines.length === 1 ? only : `[${lines.join(", ")}]`;
  const qualifiedKind = group === "" ? kind : `${kind}.${group}`;
  return failure(422, "Invalid", `${qualifiedKind} "${name}" is invalid: ${text}`, {
    ...(name === "" ? {} : { name }),
    ...(group === "" ? {} : { group }),
    kind,
    causes: errors.map(({ field, reason, message }) => ({ reason, message, field })),
  });
}

export function forbidden(
  type: Named,
  name: string,
  because: string,
  cause?: { reason: string; message: string; field?: string },
): KubeApiError {
  const subject = name === "" ? qualifiedResource(type) : `${qualifiedResource(type)} "${name}"`;
  return failure(403, "Forbidden", `${subject} is forbidden: ${because}`, {
    ...detailsOf(type, name),
    ...(cause === undefined ? {} : { causes: [cause] }),
  });
}

export function forbiddenPath(because: string): KubeApiError {
  return failure(403, "Forbidden", `forbidden: ${because}`, {});
}

export function unauthorized(): KubeApiError {
  return failure(401, "Unauthorized", "Unauthorized");
}

export function badRequest(message: string): KubeApiError {
  return failure(400, "BadRequest", message);
}

export function methodNotAllowed(type?: Named): KubeApiError {
  const message = "the server does not allow this method on the requested resource";
  return failure(405, "MethodNotAllowed", message, type === undefined ? {} : detailsOf(type, ""));
}

/** The revision asked for is forgotten: list again. */
export function expired(message: string): KubeApiError {
  return failure(410, "Expired", message);
}

export function revisionInFuture(message: string): KubeApiError {
  return failure(504, "Timeout", message, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

export function notAcceptable(accepted: string): KubeApiError {
  return failure(406, "NotAcceptable", `only the following media types are accepted: ${accepted}`);
}

export function unsupportedMediaType(accepted: string): KubeApiError {
  return failure(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  );
}

export function bodyTooLarge(bytesMax: number): KubeApiError {
  return failure(413, "RequestEntityTooLarge", `the request is larger than ${bytesMax} bytes`);
}

export function tooManyRequests(
  message: string,
  retryAfterSeconds: number,
  causes?: { reason: string; message: string }[],
): KubeApiError {
  return failure(429, "TooManyRequests", message, { retryAfterSeconds, ...(causes === undefined ? {} : { causes }) });
}

export function unavailable(message: string): KubeApiError {
  return failure(503, "ServiceUnavailable", message, { retryAfterSeconds: 1 });
}

export function internalError(message: string): KubeApiError {
  return failure(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
}

/** Between us and a node something does not work. */
export function badGateway(message: string): KubeApiError {
  return failure(502, "BadGateway", message);
}

/** What a node's kubelet endpoint says instead of what was asked for. */
export function ofNode(status: number, type: Named, name: string, message: string): KubeApiError {
  const said = message === "" ? `the node answers ${status}` : message;
  if (status === 400) return badRequest(said);
  if (status === 404) return failure(404, "NotFound", said, detailsOf(type, name));
  if (status === 429) return tooManyRequests(said, 1);
  if (status === 503) return failure(503, "ServiceUnavailable", said, detailsOf(type, name));
  // 401 and 403 are between us and the node: the caller has been let in.
  return failure(500, "InternalError", said, detailsOf(type, name));
}
