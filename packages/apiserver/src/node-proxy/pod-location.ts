import type { Pod } from "@kedge/kube";
import { badRequest } from "../rest/status-error.ts";

/** The part of a pod's subresource that its node answers. */
export type PodStream = "log" | "exec" | "attach" | "portforward";

/** Of `pods/log`, what a node is told as it is. */
const LOG_OPTIONS = [
  "follow",
  "previous",
  "sinceSeconds",
  "sinceTime",
  "timestamps",
  "tailLines",
  "limitBytes",
  "stream",
];
const STREAMS = [
  ["stdin", "input"],
  ["stdout", "output"],
  ["stderr", "error"],
  ["tty", "tty"],
] as const;

/**
 * Path and query at the node's kubelet endpoint for a subresource of a pod.
 *
 * @throws KubeApiError `BadRequest`, in Kubernetes' words, for options that make no sense.
 */
export function podLocation(pod: Pod, stream: PodStream, query: URLSearchParams): string {
  const { namespace = "", name = "" } = pod.metadata ?? {};
  const of = (path: string) => `/${path}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  if (stream === "portforward") return withQuery(of("portForward"), pick(query, ["ports"]));
  const container = encodeURIComponent(containerOf(pod, query.get("container") ?? ""));
  if (stream === "log") {
    checkLogOptions(query);
    return withQuery(`${of("containerLogs")}/${container}`, pick(query, LOG_OPTIONS));
  }
  const options = new URLSearchParams();
  for (const [asked, told] of STREAMS) if (isTrue(asked, query)) options.set(told, "1");
  if (stream === "exec") for (const word of query.getAll("command")) options.append("command", word);
  return withQuery(`${of(stream)}/${container}`, options);
}

function isTrue(option: string, query: URLSearchParams): boolean {
  // What is not said is stdout and stderr: as in Kubernetes' defaults for exec and attach.
  const value = query.get(option);
  if (value === null) return option === "stdout" || option === "stderr";
  return value !== "false" && value !== "0";
}

function pick(query: URLSearchParams, names: readonly string[]): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => names.includes(name)));
}

function withQuery(path: string, query: URLSearchParams): string {
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

function containerOf({ spec, metadata }: Pod, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = spec ?? {};
  const name = metadata?.name ?? "";
  const all = [...containers, ...initContainers, ...ephemeralContainers].map((container) => container.name);
  if (asked !== "") {
    if (all.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only, ...others] = containers;
  if (only !== undefined && others.length === 0) return only.name;
  const names = (of: readonly { name: string }[]) => `[${of.map((container) => container.name).join(" ")}]`;
  const init = initContainers.length === 0 ? "" : ` or one of the init containers: ${names(initContainers)}`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: ${names(containers)}${init}`);
}

function checkLogOptions(query: URLSearchParams): void {
  const whole = (name: string, minimum: number) => {
    const text = query.get(name);
    if (text === null || text === "") return;
    if (!/^-?\d{1,18}$/.test(text) || Number(text) < minimum)
      throw badRequest(`${name}: ${JSON.stringify(text.slice(0, 50))} must be a whole number, ${minimum} or more`);
  };
  whole("tailLines", 0);
  whole("sinceSeconds", 1);
  whole("limitBytes", 1);
  if (query.has("sinceSeconds") && query.has("sinceTime"))
    throw badRequest("at most one of `sinceTime` or `sinceSeconds` may be specified");
}
