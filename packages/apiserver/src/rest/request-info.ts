import { badRequest } from "./status-error.ts";

export type ResourceVerb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** What a path and a method ask for; also what is authorized. */
export interface ResourceRequestInfo {
  readonly verb: ResourceVerb;
  readonly group: string;
  readonly version: string;
  /** Empty: all namespaces, or a cluster-scoped resource. */
  readonly namespace: string;
  readonly resource: string;
  /** Empty: the collection. */
  readonly name: string;
  readonly subresource: string;
  /** Behind `proxy`: what is asked of the node itself, without a slash before it. */
  readonly subpath: string;
}

/** Of a name in a path, which becomes part of a key. */
const PATH_SEGMENT_CHARS_MAX = 253;

/**
 * Reads `/api/v1/namespaces/<ns>/pods/<name>/status` and its like.
 *
 * @returns undefined: no path of a resource.
 * @throws KubeApiError `BadRequest`: broken percent-encoding.
 */
export function parseRequestInfo(
  method: string,
  path: string,
  query: URLSearchParams,
): ResourceRequestInfo | undefined {
  const segments = decodeSegments(path);
  const [root, ...rest] = segments;
  if (root === "api") return fromSegments(method, "", rest, query);
  if (root === "apis") return fromSegments(method, rest[0] ?? "", rest.slice(1), query);
  return undefined;
}

function decodeSegments(path: string): string[] {
  const segments = path.split("/").slice(1);
  if (segments.at(-1) === "") segments.pop();
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch {
    throw badRequest(`the path ${path.slice(0, 200)} is not well encoded`);
  }
}

function fromSegments(
  method: string,
  group: string,
  [version = "", ...rest]: string[],
  query: URLSearchParams,
): ResourceRequestInfo | undefined {
  if (rest.length === 0 || rest.some((segment) => !usable(segment))) return undefined;
  // /namespaces/<ns>/pods is in a namespace; /namespaces/<name> and its subresources are about one
  const inNamespace = rest[0] === "namespaces" && rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2] ?? "");
  const namespace = inNamespace ? (rest[1] ?? "") : "";
  const [resource = "", name = "", ...below] = inNamespace ? rest.slice(2) : rest;
  const isProxy = below[0] === "proxy";
  const verb = verbOf(method, name, query);
  if (verb === undefined) return undefined;
  return {
    verb,
    group,
    version,
    namespace,
    resource,
    name,
    subresource: isProxy ? "proxy" : below.join("/"),
    subpath: isProxy ? below.slice(1).map(encodeURIComponent).join("/") : "",
  };
}

const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(["status", "finalize"]);

/** Segments become storage keys: none may be empty, climb or contain a separator. */
function usable(segment: string): boolean {
  return (
    segment !== "" &&
    segment !== "." &&
    segment !== ".." &&
    segment.length <= PATH_SEGMENT_CHARS_MAX &&
    !/[/%\p{Cc}]/u.test(segment)
  );
}

function verbOf(method: string, name: string, query: URLSearchParams): ResourceVerb | undefined {
  switch (method) {
    case "GET":
    case "HEAD":
      if (name !== "") return "get";
      return isTrue(query.get("watch")) ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return undefined;
  }
}

/** As Go reads booleans in queries: present and empty is true. */
export function isTrue(value: string | null): boolean {
  return value !== null && !["false", "0", "f", "F", "FALSE", "False"].includes(value);
}
