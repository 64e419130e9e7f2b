import type { IncomingHttpHeaders } from "node:http";
import { NODES } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import type { Caller } from "./callers.ts";
import { type IssueDeps, issueEdgeCertificate } from "./issue-edge-certificate.ts";
import { SIGNING_REQUEST_BYTES_MAX } from "./pki/signing-request.ts";
import { reportedNode, takeTaskReport, TASK_REPORT_BYTES_MAX } from "./task-reports.ts";

export interface RouteRequest {
  readonly headers: IncomingHttpHeaders;
  /** What stands for `{name}` in the route's path. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly address: string;
}

export interface RouteResponse {
  readonly status: number;
  readonly body: string | Buffer;
}

interface RouteBase {
  readonly method: "GET" | "POST";
  /** `{name}` stands for one part. */
  readonly path: string;
  readonly bodyBytesMax: number;
}

/**
 * One route of port 10002. `access` says who may call; the server sees to it before it reads a body, and before `answer`
 * runs:
 *
 * `anyone`: without a credential. `joiner`: with a join token for the node that the request is about, or with that node's
 * own certificate, which may have expired if that is for a renewal. `askers`: as a joiner; others get the answer for what
 * does not exist. `node`: with that node's own, current certificate.
 */
export type Route = RouteBase &
  (
    | { readonly access: "anyone"; readonly answer: (deps: IssueDeps) => RouteResponse }
    | {
        readonly access: "joiner" | "askers";
        /** The node that the request is about. */
        readonly about: (request: Pick<RouteRequest, "headers" | "parameters">) => unknown;
        readonly answer: (
          caller: Caller,
          request: RouteRequest,
          deps: IssueDeps,
          signal: AbortSignal,
        ) => Promise<RouteResponse>;
      }
    | { readonly access: "node"; readonly answer: (node: string, request: RouteRequest) => RouteResponse }
  );

/** All that port 10002 answers; whatever is not listed here is not found. `docs/SECURITY.md` lists the same. */
export const ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/ca.crt",
    access: "anyone",
    bodyBytesMax: 0,
    answer: ({ ca }) => ({ status: 200, body: ca.pair.certificate }),
  },
  {
    method: "GET",
    path: "/edge.crt",
    access: "joiner",
    bodyBytesMax: SIGNING_REQUEST_BYTES_MAX,
    about: ({ headers }) => headers["nodename"],
    answer: async (caller, { body, address }, deps, signal) => ({
      status: 200,
      body: await issueEdgeCertificate(caller, body, address, deps, signal),
    }),
  },
  {
    // Stock `keadm join` asks without any credential, and takes only 404 for a free name: whoever does not prove that they
    // may join gets that answer for every name, so that nobody can list our nodes (W5).
    method: "GET",
    path: "/node/{nodename}",
    access: "askers",
    bodyBytesMax: 0,
    about: ({ parameters }) => parameters["nodename"],
    answer: findNode,
  },
  {
    method: "POST",
    path: "/nodeupgrade",
    access: "node",
    bodyBytesMax: TASK_REPORT_BYTES_MAX,
    answer: (node, { body }) => takeTaskReport(node, reportedNode(body)),
  },
  {
    method: "POST",
    path: "/task/{taskType}/name/{taskID}/node/{nodeID}/status",
    access: "node",
    bodyBytesMax: TASK_REPORT_BYTES_MAX,
    answer: (node, { parameters }) => takeTaskReport(node, parameters["nodeID"]),
  },
];

export const NODE_NOT_FOUND: RouteResponse = { status: 404, body: "Node not found" };

async function findNode(
  { node }: Caller,
  _request: RouteRequest,
  { kube }: IssueDeps,
  signal: AbortSignal,
): Promise<RouteResponse> {
  try {
    await kube.get(NODES, { name: node }, signal);
    return { status: 200, body: "Node found" };
  } catch (error) {
    if (hasCode(error, "NotFound")) return NODE_NOT_FOUND;
    throw error;
  }
}

/** @returns undefined if there is no such route. */
export function findRoute(
  method: string,
  path: string,
): { route: Route; parameters: Record<string, string> } | undefined {
  for (const route of ROUTES) {
    const parameters = route.method === method ? matchPath(route.path, path) : undefined;
    if (parameters !== undefined) return { route, parameters };
  }
  return undefined;
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [pattern.split("/"), path.split("/", pattern.length)];
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? "";
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (name === undefined && part !== value) return undefined;
    if (name === undefined) continue;
    const decoded = decode(value);
    if (decoded === undefined || decoded === "" || decoded.includes("/")) return undefined;
    parameters[name] = decoded;
  }
  return parameters;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
