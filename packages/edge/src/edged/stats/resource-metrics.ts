import type { ContainerUsage, NodeUsage, PodUsage, Usage } from "./collect-usage.ts";
import { metricsText, type Sample } from "./metrics-text.ts";

const NS_PER_S = 1e9;

/** The kubelet's resource metrics, which metrics-server and `kubectl top` live on. */
export function resourceMetrics({ node, pods }: NodeUsage): string {
  const ofPods = (value: (usage: Usage) => number): Sample[] =>
    pods.map(({ pod, usage }) => ({ labels: podLabels(pod), value: value(usage), atMs: usage.atMs }));
  const ofContainers = (value: (container: ContainerUsage) => number, atMs = true): Sample[] =>
    pods.flatMap(({ pod, containers }) =>
      containers.map((container) => ({
        labels: { container: container.name, ...podLabels(pod) },
        value: value(container),
        ...(atMs && { atMs: container.usage.atMs }),
      })),
    );
  const ofNode = (value: number): Sample[] => [{ value, atMs: node.atMs }];
  return metricsText([
    {
      name: "container_cpu_usage_seconds_total",
      help: "Processor time that the container has used, in seconds of one core",
      type: "counter",
      samples: ofContainers(({ usage }) => usage.cpuNs / NS_PER_S),
    },
    {
      name: "container_memory_working_set_bytes",
      help: "Memory that the container works with",
      type: "gauge",
      samples: ofContainers(({ usage }) => usage.memory.workingSetBytes),
    },
    {
      name: "container_start_time_seconds",
      help: "When the container started, in seconds since 1970",
      type: "gauge",
      samples: ofContainers(({ startedAtMs }) => startedAtMs / 1000, false),
    },
    {
      name: "container_swap_usage_bytes",
      help: "Swap that the container uses",
      type: "gauge",
      samples: ofContainers(({ usage }) => usage.memory.swapBytes),
    },
    {
      name: "node_cpu_usage_seconds_total",
      help: "Processor time that the node has used, in seconds of one core",
      type: "counter",
      samples: ofNode(node.cpuNs / NS_PER_S),
    },
    {
      name: "node_memory_working_set_bytes",
      help: "Memory that the node works with",
      type: "gauge",
      samples: ofNode(node.memory.workingSetBytes),
    },
    {
      name: "node_swap_usage_bytes",
      help: "Swap that the node uses",
      type: "gauge",
      samples: ofNode(node.memory.swapBytes),
    },
    {
      name: "pod_cpu_usage_seconds_total",
      help: "Processor time that the pod has used, in seconds of one core",
      type: "counter",
      samples: ofPods(({ cpuNs }) => cpuNs / NS_PER_S),
    },
    {
      name: "pod_memory_working_set_bytes",
      help: "Memory that the pod works with",
      type: "gauge",
      samples: ofPods(({ memory }) => memory.workingSetBytes),
    },
    {
      name: "pod_swap_usage_bytes",
      help: "Swap that the pod uses",
      type: "gauge",
      samples: ofPods(({ memory }) => memory.swapBytes),
    },
    {
      name: "resource_scrape_error",
      help: "1 if something could not be measured",
      type: "gauge",
      samples: [{ value: 0 }],
    },
    { name: "scrape_error", help: "1 if something could not be measured", type: "gauge", samples: [{ value: 0 }] },
  ]);
}

function podLabels({ metadata }: PodUsage["pod"]): { readonly namespace: string; readonly pod: string } {
  return { namespace: metadata?.namespace ?? "", pod: metadata?.name ?? "" };
}
