/**
 * Every route of the node's endpoint, and who may come over HTTP: `open` is what tells no secrets and changes nothing, all else
 * wants the node's token. What comes through the tunnel has been authenticated by the cloud, and may use all.
 */
export interface KubeletRoute {
  readonly path: string;
  readonly methods: readonly ("GET" | "POST")[];
  readonly access: "open" | "token";
  readonly name: KubeletRouteName;
}

export type KubeletRouteName =
  | "health"
  | "agent"
  | "pods"
  | "runningPods"
  | "logs"
  | "exec"
  | "attach"
  | "portForward"
  | "run"
  | "summary"
  | "resourceMetrics"
  | "cadvisorMetrics"
  | "probeMetrics"
  | "config";

const GET = ["GET"] as const;
const GET_OR_POST = ["GET", "POST"] as const;

export const KUBELET_ROUTES: readonly KubeletRoute[] = [
  { path: "/healthz", methods: GET, access: "open", name: "agent" },
  { path: "/livez", methods: GET, access: "open", name: "agent" },
  { path: "/readyz", methods: GET, access: "open", name: "agent" },
  { path: "/status", methods: GET, access: "open", name: "agent" },
  { path: "/metrics", methods: GET, access: "open", name: "agent" },
  { path: "/healthz/ping", methods: GET, access: "open", name: "health" },
  { path: "/healthz/log", methods: GET, access: "open", name: "health" },
  { path: "/healthz/syncloop", methods: GET, access: "open", name: "health" },
  { path: "/pods", methods: GET, access: "token", name: "pods" },
  { path: "/runningpods", methods: GET, access: "token", name: "runningPods" },
  { path: "/containerLogs/{namespace}/{pod}/{container}", methods: GET, access: "token", name: "logs" },
  { path: "/exec/{namespace}/{pod}/{container}", methods: GET_OR_POST, access: "token", name: "exec" },
  { path: "/exec/{namespace}/{pod}/{uid}/{container}", methods: GET_OR_POST, access: "token", name: "exec" },
  { path: "/attach/{namespace}/{pod}/{container}", methods: GET_OR_POST, access: "token", name: "attach" },
  { path: "/attach/{namespace}/{pod}/{uid}/{container}", methods: GET_OR_POST, access: "token", name: "attach" },
  { path: "/portForward/{namespace}/{pod}", methods: GET_OR_POST, access: "token", name: "portForward" },
  { path: "/portForward/{namespace}/{pod}/{uid}", methods: GET_OR_POST, access: "token", name: "portForward" },
  { path: "/run/{namespace}/{pod}/{container}", methods: ["POST"], access: "token", name: "run" },
  { path: "/run/{namespace}/{pod}/{uid}/{container}", methods: ["POST"], access: "token", name: "run" },
  { path: "/stats/summary", methods: GET_OR_POST, access: "token", name: "summary" },
  { path: "/metrics/resource", methods: GET, access: "token", name: "resourceMetrics" },
  { path: "/metrics/cadvisor", methods: GET, access: "token", name: "cadvisorMetrics" },
  { path: "/metrics/probes", methods: GET, access: "token", name: "probeMetrics" },
  { path: "/configz", methods: GET, access: "token", name: "config" },
];

export interface KubeletMatch {
  readonly route: KubeletRoute;
  /** What stands at `{…}`, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TABLE = KUBELET_ROUTES.map((route) => ({ route, parts: route.path.split("/").slice(1) }));

/** @returns `"notFound"`, or `"wrongMethod"` for a path that knows others. */
export function matchKubeletRoute(method: string, path: string): KubeletMatch | "notFound" | "wrongMethod" {
  const parts = (path.endsWith("/") ? path.slice(0, -1) : path).split("/").slice(1);
  let other = false;
  for (const { route, parts: wanted } of TABLE) {
    if (wanted.length !== parts.length) continue;
    const parameters: Record<string, string> = {};
    const fits = wanted.every((want, index) => {
      const part = parts[index] ?? "";
      if (!want.startsWith("{")) return want === part;
      parameters[want.slice(1, -1)] = part;
      return part !== "";
    });
    if (!fits) continue;
    if (route.methods.some((allowed) => allowed === method)) return { route, parameters };
    other = true;
  }
  return other ? "wrongMethod" : "notFound";
}
