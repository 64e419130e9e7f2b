import { NODES, PODS, type ResourceRequirements, RUNTIME_CLASSES } from "@kedge/kube";
import type { Given, PodTheme } from "../pod-case.ts";
import { container, lasting, podOf, SERVE } from "../pods.ts";
import { becomes, cgroupHas, cgroupShows, changesPod, isReady, objectHas, shows, warning } from "../steps.ts";

const MiB = 1024 * 1024;
const withResources = (resources: ResourceRequirements) => lasting({ resources });
const GUARANTEED = { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "100m", memory: "32Mi" } };
const BURSTABLE = { requests: { cpu: "100m", memory: "16Mi" }, limits: { cpu: "500m", memory: "48Mi" } };

export const RESOURCES: PodTheme = {
  name: "resources",
  cases: [
    {
      name: "BestEffort: the least shares, no limits",
      core: true,
      pod: lasting(),
      steps: [
        becomes({ phase: "Running", qosClass: "BestEffort" }),
        cgroupHas("besteffort", "cpu", "cpu.shares", "2"),
        cgroupHas("besteffort", "cpu", "cpu.shares", "2", "qos"),
        cgroupHas("besteffort", "memory", "memory.limit_in_bytes", (value) => Number(value) > 2 ** 60),
        cgroupShows("cpu", "cpu.shares", "2"),
        cgroupShows("cpu", "cpu.cfs_quota_us", "-1"),
        shows("cat /proc/1/oom_score_adj", "1000"),
      ],
    },
    {
      name: "Guaranteed: limits are the container's and the pod's",
      core: true,
      pod: withResources(GUARANTEED),
      steps: [
        becomes({ phase: "Running", qosClass: "Guaranteed" }),
        cgroupHas("guaranteed", "cpu", "cpu.shares", "102"),
        cgroupHas("guaranteed", "cpu", "cpu.cfs_quota_us", "10000"),
        cgroupHas("guaranteed", "memory", "memory.limit_in_bytes", String(32 * MiB)),
        cgroupShows("cpu", "cpu.shares", "102"),
        cgroupShows("cpu", "cpu.cfs_quota_us", "10000"),
        cgroupShows("cpu", "cpu.cfs_period_us", "100000"),
        cgroupShows("memory", "memory.limit_in_bytes", String(32 * MiB)),
      ],
    },
    {
      name: "Burstable: requests are shares, limits are quotas",
      core: true,
      pod: withResources(BURSTABLE),
      steps: [
        becomes({ phase: "Running", qosClass: "Burstable" }),
        cgroupHas("burstable", "cpu", "cpu.shares", "102"),
        cgroupHas("burstable", "cpu", "cpu.cfs_quota_us", "50000"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(48 * MiB)),
        cgroupShows("cpu", "cpu.shares", "102"),
        cgroupShows("memory", "memory.limit_in_bytes", String(48 * MiB)),
        shows("cat /proc/1/oom_score_adj", /^9\d\d\n$/),
      ],
    },
    {
      name: "a pod's cgroup has the sum of its containers",
      pod: podOf([
        { script: SERVE, resources: BURSTABLE },
        { name: "other", script: SERVE, resources: BURSTABLE },
      ]),
      steps: [
        isReady(),
        cgroupHas("burstable", "cpu", "cpu.shares", "204"),
        cgroupHas("burstable", "cpu", "cpu.cfs_quota_us", "100000"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(96 * MiB)),
      ],
    },
    {
      name: "one container without a limit leaves the pod without one",
      pod: podOf([
        { script: SERVE, resources: BURSTABLE },
        { name: "other", script: SERVE },
      ]),
      steps: [
        isReady(),
        cgroupHas("burstable", "cpu", "cpu.shares", "102"),
        cgroupHas("burstable", "cpu", "cpu.cfs_quota_us", "-1"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", (value) => Number(value) > 2 ** 60),
        cgroupShows("memory", "memory.limit_in_bytes", String(48 * MiB)),
      ],
    },
    {
      name: "limits alone are requests, too",
      pod: withResources({ limits: { cpu: "100m", memory: "32Mi" } }),
      steps: [
        becomes({ phase: "Running", qosClass: "Guaranteed" }),
        cgroupHas("guaranteed", "cpu", "cpu.shares", "102"),
      ],
    },
    {
      name: "a pod that has an init container with more gets room for that",
      pod: podOf([{ script: SERVE, resources: BURSTABLE }], {
        initContainers: [
          container({
            name: "first",
            script: "exit 0",
            resources: { requests: { cpu: "200m", memory: "16Mi" }, limits: { cpu: "1", memory: "96Mi" } },
          }),
        ],
      }),
      steps: [
        isReady(),
        cgroupHas("burstable", "cpu", "cpu.shares", "204"),
        cgroupHas("burstable", "cpu", "cpu.cfs_quota_us", "100000"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(96 * MiB)),
      ],
    },
    {
      name: "a sidecar's resources come on top",
      pod: podOf([{ script: SERVE, resources: BURSTABLE }], {
        initContainers: [container({ name: "side", script: SERVE, restartPolicy: "Always", resources: BURSTABLE })],
      }),
      steps: [
        isReady(),
        cgroupHas("burstable", "cpu", "cpu.shares", "204"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(96 * MiB)),
      ],
    },
    {
      name: "the least quota is a hundredth of a CPU",
      pod: withResources({ limits: { cpu: "1m", memory: "32Mi" } }),
      steps: [
        becomes({ qosClass: "Guaranteed" }),
        cgroupHas("guaranteed", "cpu", "cpu.cfs_quota_us", "1000"),
        cgroupHas("guaranteed", "cpu", "cpu.shares", "2"),
      ],
      timeoutSeconds: 120,
    },
    {
      name: "the pod's overall limits count for all its containers",
      pod: lasting(
        {},
        { resources: { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "400m", memory: "64Mi" } } },
      ),
      steps: [
        becomes({ phase: "Running", qosClass: "Burstable" }),
        cgroupHas("burstable", "cpu", "cpu.shares", "102"),
        cgroupHas("burstable", "cpu", "cpu.cfs_quota_us", "40000"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(64 * MiB)),
        cgroupShows("memory", "memory.limit_in_bytes", String(64 * MiB)),
        cgroupShows("cpu", "cpu.cfs_quota_us", "40000"),
        cgroupShows("cpu", "cpu.shares", "409"),
      ],
    },
    {
      name: "no container swaps beyond its memory",
      pod: withResources(BURSTABLE),
      steps: [isReady(), cgroupShows("memory", "memory.memsw.limit_in_bytes", String(48 * MiB))],
    },
    {
      name: "what a runtime class costs is the pod's, not its containers'",
      givenOf: () => [
        {
          type: RUNTIME_CLASSES,
          object: {
            metadata: { name: "costs" },
            handler: "runc",
            overhead: { podFixed: { cpu: "50m", memory: "16Mi" } },
          } as Given["object"],
          cluster: true,
        },
      ],
      pod: lasting({ resources: GUARANTEED }, { runtimeClassName: "costs" }),
      steps: [
        becomes({ phase: "Running", qosClass: "Guaranteed" }),
        cgroupHas("guaranteed", "cpu", "cpu.shares", "153"),
        cgroupHas("guaranteed", "cpu", "cpu.cfs_quota_us", "15000"),
        cgroupHas("guaranteed", "memory", "memory.limit_in_bytes", String(48 * MiB)),
        cgroupShows("memory", "memory.limit_in_bytes", String(32 * MiB)),
      ],
    },
    {
      name: "a critical pod takes the room of the nearest other",
      alone: true,
      pod: withResources({ requests: { cpu: "300m" } }),
      steps: [
        isReady(),
        async (run) => {
          const { kube, nodeName } = run.target;
          const { cpu = "0" } = (await kube.get(NODES, { name: nodeName }, run.signal)).status?.allocatable ?? {};
          const most = cpu.endsWith("m") ? Number.parseInt(cpu, 10) : Number(cpu) * 1000;
          // It takes no notice of SIGTERM: of one that ends well a kubelet tells nothing but that.
          const large = podOf([{ script: "exec sleep 3600", resources: { requests: { cpu: `${most - 700}m` } } }]);
          await run.createBeside({ metadata: { name: "large" }, ...large });
          const of = async (name: string) =>
            (await kube.get(PODS, { namespace: run.namespace, name }, run.signal)).status;
          const resources = { requests: { cpu: `${most - 400}m` } };
          const critical = lasting({ resources }, { priorityClassName: "system-cluster-critical" });
          await run.createBeside({ metadata: { name: "critical" }, ...critical });
          await run.eventually(async () => {
            const { phase, reason, message, conditions = [] } = (await of("large")) ?? {};
            const disruption = conditions.find(({ type }) => type === "DisruptionTarget");
            const seen = [phase, reason, message, disruption?.reason, disruption?.message].join(": ");
            const wanted =
              "Failed: Preempting: Preempted in order to admit critical pod: TerminationByKubelet: Pod was preempted by Kubelet to accommodate a critical pod.";
            return seen === wanted ? undefined : seen;
          });
        },
        becomes({ phase: "Running" }),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "a resource that the node does not know does not keep it from running a pod",
      pod: withResources({ limits: { "example.com/gadget": "1" } }),
      steps: [isReady()],
    },
    {
      name: "statuses tell the resources that containers have",
      pod: withResources(BURSTABLE),
      steps: [
        isReady(),
        objectHas({
          status: {
            containerStatuses: {
              0: { resources: BURSTABLE, allocatedResources: { cpu: "100m", memory: "16Mi" } },
            } as never,
          },
        }),
      ],
    },
    {
      name: "who fills the disk beyond its ephemeral-storage limit is evicted",
      unsteady: "a kubelet may forget the reason when the container ends at once, and well",
      pod: lasting({ resources: { limits: { "ephemeral-storage": "2Mi" } } }),
      steps: [
        isReady(),
        shows("dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null; echo done", "done"),
        becomes({
          reason: "Evicted",
          message:
            /^(Container main|Pod) (exceeded its local ephemeral storage limit "2Mi"|ephemeral local storage usage exceeds the total limit of containers 2Mi)/,
        }),
        warning("Evicted"),
      ],
      timeoutSeconds: 240,
    },
  ],
};

export const RESIZE: PodTheme = {
  name: "resize",
  cases: [
    {
      name: "a container gets more CPU and memory while it runs",
      core: true,
      pod: withResources(BURSTABLE),
      steps: [
        isReady(),
        changesPod(
          {
            spec: {
              containers: [
                {
                  name: "main",
                  resources: { requests: { cpu: "200m", memory: "24Mi" }, limits: { cpu: "700m", memory: "64Mi" } },
                },
              ],
            },
          },
          "resize",
        ),
        cgroupShows("memory", "memory.limit_in_bytes", String(64 * MiB)),
        cgroupShows("cpu", "cpu.cfs_quota_us", "70000"),
        cgroupShows("cpu", "cpu.shares", "204"),
        cgroupHas("burstable", "memory", "memory.limit_in_bytes", String(64 * MiB)),
        cgroupHas("burstable", "cpu", "cpu.shares", "204"),
        objectHas({
          status: {
            containerStatuses: {
              0: { resources: { limits: { cpu: "700m", memory: "64Mi" } }, restartCount: 0 },
            } as never,
          },
        }),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "a container that wants a restart for it gets one",
      pod: lasting({
        resources: BURSTABLE,
        resizePolicy: [{ resourceName: "memory", restartPolicy: "RestartContainer" }],
      }),
      steps: [
        isReady(),
        changesPod({ spec: { containers: [{ name: "main", resources: { limits: { memory: "64Mi" } } }] } }, "resize"),
        becomes({ containers: { main: { restarts: 1, state: "running" } } }),
        cgroupShows("memory", "memory.limit_in_bytes", String(64 * MiB)),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "what the node does not have left is deferred, and nothing changes",
      alone: true,
      pod: withResources(BURSTABLE),
      steps: [
        isReady(),
        async (run) => {
          const { cpu = "0" } =
            (await run.target.kube.get(NODES, { name: run.target.nodeName }, run.signal)).status?.allocatable ?? {};
          const most = cpu.endsWith("m") ? Number.parseInt(cpu, 10) : Number(cpu) * 1000;
          const other = { metadata: { name: "other" }, ...withResources({ requests: { cpu: `${most - 600}m` } }) };
          await run.createBeside(other);
          const resources = { requests: { cpu: `${most - 500}m` }, limits: { cpu: `${most}m` } };
          await changesPod({ spec: { containers: [{ name: "main", resources }] } }, "resize")(run);
        },
        becomes({ conditions: { PodResizePending: "True Deferred" } }),
        cgroupShows("cpu", "cpu.shares", "102"),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "a container gets less",
      pod: withResources(BURSTABLE),
      steps: [
        isReady(),
        changesPod(
          {
            spec: { containers: [{ name: "main", resources: { requests: { cpu: "50m" }, limits: { cpu: "300m" } } }] },
          },
          "resize",
        ),
        cgroupShows("cpu", "cpu.cfs_quota_us", "30000"),
        cgroupHas("burstable", "cpu", "cpu.shares", "51"),
        becomes({ containers: { main: { restarts: 0 } } }),
      ],
      timeoutSeconds: 90,
    },
  ],
};
