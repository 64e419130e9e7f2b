import type { TunnelFrameType } from "@kedge/protocol";

/** Of `nodes/<name>/…`: what a caller must be allowed to do with the node. Several: one of them is enough. */
export type NodeSubresource = "proxy" | "log" | "stats" | "metrics" | "pods" | "healthz" | "configz" | "checkpoint";

/** What a stock edge is told a request is; see `docs/adr/0008` for what our own edges make of it. */
export type ConnectKind = Extract<
  keyof typeof TunnelFrameType,
  "logsConnect" | "execConnect" | "metricConnect" | "attachConnect"
>;

/** One route of port 10003, and of each node's own port. */
export interface KubeletRoute {
  readonly methods: readonly ("GET" | "POST")[];
  /** `{name}` stands for one part, `{path}` at the end for any number of them. */
  readonly path: string;
  readonly kind: ConnectKind;
  readonly subresources: readonly NodeSubresource[];
  /** Whether the request wants its connection for itself, both ways. */
  readonly upgrade: boolean;
  /** A stock edge does not know it. */
  readonly ours?: boolean;
}

const STREAMED = { methods: ["GET", "POST"], subresources: ["proxy"], upgrade: true } as const;
const READ = { methods: ["GET"], kind: "metricConnect", upgrade: false } as const;

/**
 * All that a node's kubelet endpoint answers here; whatever is not listed is not found. `docs/SECURITY.md` lists the same.
 * What a caller needs is what a kubelet asks for.
 *
 * @see `cloud-edge-protocol` §9.5; Kubernetes `pkg/kubelet/server/auth.go` for the subresources
 */
export const KUBELET_ROUTES: readonly KubeletRoute[] = [
  {
    methods: ["GET"],
    path: "/containerLogs/{namespace}/{pod}/{container}",
    kind: "logsConnect",
    subresources: ["proxy"],
    upgrade: false,
  },
  { ...STREAMED, path: "/exec/{namespace}/{pod}/{container}", kind: "execConnect" },
  { ...STREAMED, path: "/exec/{namespace}/{pod}/{uid}/{container}", kind: "execConnect" },
  { ...STREAMED, path: "/attach/{namespace}/{pod}/{container}", kind: "attachConnect" },
  { ...STREAMED, path: "/attach/{namespace}/{pod}/{uid}/{container}", kind: "attachConnect" },
  { ...STREAMED, path: "/portForward/{namespace}/{pod}", kind: "execConnect", ours: true },
  { ...STREAMED, path: "/portForward/{namespace}/{pod}/{uid}", kind: "execConnect", ours: true },
  {
    methods: ["POST"],
    path: "/run/{namespace}/{pod}/{container}",
    kind: "execConnect",
    subresources: ["proxy"],
    upgrade: false,
    ours: true,
  },
  { ...READ, path: "/stats", subresources: ["stats"] },
  { ...READ, path: "/stats/summary", subresources: ["stats"] },
  { ...READ, path: "/stats/container", subresources: ["stats"] },
  { ...READ, path: "/stats/{pod}/{container}", subresources: ["stats"] },
  { ...READ, path: "/stats/{namespace}/{pod}/{uid}/{container}", subresources: ["stats"] },
  { ...READ, path: "/metrics", subresources: ["metrics"] },
  { ...READ, path: "/metrics/cadvisor", subresources: ["metrics"] },
  { ...READ, path: "/metrics/probes", subresources: ["metrics"] },
  { ...READ, path: "/metrics/resource", subresources: ["metrics"] },
  { ...READ, path: "/pods", subresources: ["pods", "proxy"] },
  { ...READ, path: "/runningpods", subresources: ["pods", "proxy"] },
  { ...READ, path: "/healthz", subresources: ["healthz", "proxy"] },
  { ...READ, path: "/configz", subresources: ["configz", "proxy"] },
];

export interface FoundRoute {
  readonly route: KubeletRoute;
  /** What stands for `{name}`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** As a node sees it: decoded, without a slash at the end. */
  readonly path: string;
}

/** Of one part of a path: a pod's name, a uid. */
const PART_CHARS_MAX = 253;

/** @returns undefined if there is no such route, or not with this method. */
export function findKubeletRoute(method: string, rawPath: string): FoundRoute | undefined {
  const parts = decodedParts(rawPath);
  if (parts === undefined) return undefined;
  for (const route of KUBELET_ROUTES) {
    if (!(route.methods as readonly string[]).includes(method)) continue;
    const parameters = match(route.path, parts);
    if (parameters !== undefined) return { route, parameters, path: `/${parts.join("/")}` };
  }
  return undefined;
}

function match(pattern: string, parts: readonly string[]): Record<string, string> | undefined {
  const wanted = pattern.split("/").slice(1);
  if (wanted.length !== parts.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = parts[at] ?? "";
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (name === undefined ? part !== value : value === "") return undefined;
    if (name !== undefined) parameters[name] = value;
  }
  return parameters;
}

/** @returns undefined for what no name can be: what climbs, is empty, or brings separators of its own. */
function decodedParts(rawPath: string): string[] | undefined {
  const raw = rawPath.replace(/\/$/, "").split("/").slice(1);
  try {
    const parts = raw.map((part) => decodeURIComponent(part));
    const usable = (part: string) =>
      part !== "" && part !== "." && part !== ".." && part.length <= PART_CHARS_MAX && !/[/\\%?#\p{Cc}]/u.test(part);
    return parts.every(usable) ? parts : undefined;
  } catch {
    return undefined;
  }
}
