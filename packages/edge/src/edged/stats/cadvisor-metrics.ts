import type { ContainerUsage, NodeUsage, PodUsage, Usage } from "./collect-usage.ts";
import { metricsText, type Sample, type Series } from "./metrics-text.ts";

const NS_PER_S = 1e9;

/** Series under cAdvisor's names, so that dashboards work: those that can be had without cAdvisor. */
export function cadvisorMetrics(
  { node, pods }: NodeUsage,
  machine: { readonly cpus: number; readonly memoryBytes: number; readonly bootMs: number },
): string {
  const each = (value: (usage: Usage) => number, more: Readonly<Record<string, string>> = {}): Sample[] => [
    { labels: { ...labelsOf("/"), ...more }, value: value(node), atMs: node.atMs },
    ...pods.flatMap(({ pod, usage, containers }) => [
      { labels: { ...labelsOf("", pod), ...more }, value: value(usage), atMs: usage.atMs },
      ...containers.map((container) => ({
        labels: { ...labelsOf(container.id, pod, container), ...more },
        value: value(container.usage),
        atMs: container.usage.atMs,
      })),
    ]),
  ];
  const containers = (value: (container: ContainerUsage) => number | undefined): Sample[] =>
    pods.flatMap(({ pod, containers: own }) =>
      own.flatMap((container) => {
        const found = value(container);
        return found === undefined ? [] : [{ labels: labelsOf(container.id, pod, container), value: found }];
      }),
    );
  const gauge = (name: string, help: string, samples: Sample[]): Series => ({ name, help, type: "gauge", samples });
  const counter = (name: string, help: string, samples: Sample[]): Series => ({ name, help, type: "counter", samples });
  const network = (name: string, help: string, field: "rxBytes" | "txBytes" | "rxErrors" | "txErrors") =>
    counter(
      name,
      help,
      pods.flatMap(({ pod, interfaces = [], usage }) =>
        interfaces.map((one) => ({
          labels: { ...labelsOf("", pod), interface: one.name },
          value: one[field],
          atMs: usage.atMs,
        })),
      ),
    );
  return metricsText([
    counter(
      "container_cpu_usage_seconds_total",
      "Processor time used, in seconds of one core",
      each(({ cpuNs }) => cpuNs / NS_PER_S, { cpu: "total" }),
    ),
    gauge(
      "container_memory_usage_bytes",
      "Memory used, caches included",
      each(({ memory }) => memory.usageBytes),
    ),
    gauge(
      "container_memory_working_set_bytes",
      "Memory worked with",
      each(({ memory }) => memory.workingSetBytes),
    ),
    gauge(
      "container_memory_rss",
      "Memory of processes alone",
      each(({ memory }) => memory.rssBytes),
    ),
    gauge(
      "container_memory_swap",
      "Swap used",
      each(({ memory }) => memory.swapBytes),
    ),
    gauge(
      "container_processes",
      "Processes and threads",
      containers(({ usage }) => usage.processes),
    ),
    gauge(
      "container_fs_usage_bytes",
      "Written beside volumes",
      containers(({ written }) => written?.bytes),
    ),
    gauge(
      "container_start_time_seconds",
      "When it started",
      containers(({ startedAtMs }) => startedAtMs / 1000),
    ),
    network("container_network_receive_bytes_total", "Bytes received", "rxBytes"),
    network("container_network_receive_errors_total", "Errors while receiving", "rxErrors"),
    network("container_network_transmit_bytes_total", "Bytes sent", "txBytes"),
    network("container_network_transmit_errors_total", "Errors while sending", "txErrors"),
    gauge("machine_cpu_cores", "Logical processors", [{ value: machine.cpus }]),
    gauge("machine_memory_bytes", "Memory of the machine", [{ value: machine.memoryBytes }]),
  ]);
}

function labelsOf(id: string, pod?: PodUsage["pod"], container?: ContainerUsage): Readonly<Record<string, string>> {
  return {
    container: container?.name ?? "",
    id,
    image: container?.image ?? "",
    name: container?.id ?? "",
    namespace: pod?.metadata?.namespace ?? "",
    pod: pod?.metadata?.name ?? "",
  };
}
