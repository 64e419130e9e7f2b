import type { Given, PodTheme } from "../pod-case.ts";
import { container, lasting, once, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  containerBecomes,
  deletes,
  event,
  isGone,
  isReady,
  neverWas,
  objectHas,
  was,
  warning,
} from "../steps.ts";
import { NODES, PODS, type ResourceType, type RuntimeClass } from "@kedge/kube";

const RUNTIME_CLASSES: ResourceType<RuntimeClass> = {
  group: "node.k8s.io",
  version: "v1",
  kind: "RuntimeClass",
  resource: "runtimeclasses",
  namespaced: false,
};

export const STATUS: PodTheme = {
  name: "status",
  cases: [
    {
      name: "a running pod's conditions",
      core: true,
      pod: lasting(),
      steps: [
        becomes({
          phase: "Running",
          conditions: {
            PodScheduled: "True",
            PodReadyToStartContainers: "True",
            Initialized: "True",
            ContainersReady: "True",
            Ready: "True",
          },
          containers: { main: { state: "running", ready: true, started: true, restarts: 0 } },
        }),
      ],
    },
    {
      name: "a pod that starts is Pending, with containers that are being created",
      pod: lasting(),
      steps: [
        isReady(),
        was({
          phase: "Pending",
          conditions: { PodScheduled: "True", Initialized: "True", Ready: "False ContainersNotReady" },
          containers: { main: { state: "waiting", reason: "ContainerCreating" } },
        }),
      ],
    },
    {
      name: "an ended pod is not ready to start containers any more",
      core: true,
      pod: once({ script: "exit 0" }),
      steps: [becomes({ phase: "Succeeded", conditions: { PodReadyToStartContainers: "False" } })],
    },
    {
      name: "conditions say which containers are not ready",
      pod: podOf([
        { script: SERVE, readinessProbe: { exec: { command: ["false"] } } },
        { name: "other", script: SERVE },
        { name: "third", script: SERVE, readinessProbe: { exec: { command: ["false"] } } },
      ]),
      steps: [
        becomes({
          phase: "Running",
          containers: { main: { state: "running" }, other: { ready: true }, third: { state: "running" } },
        }),
        async (run) =>
          run.until(() => {
            const ready = run.recorded.object?.status?.conditions?.find(({ type }) => type === "Ready");
            return ready?.message === "containers with unready status: [main third]"
              ? undefined
              : `message is ${ready?.message}`;
          }),
      ],
    },
    {
      name: "start time, node's address and the generation that was seen",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const { status = {}, metadata } = run.recorded.object ?? {};
          const { startTime, hostIP, hostIPs, podIPs, podIP, observedGeneration } = status as typeof status & {
            observedGeneration?: number;
          };
          const age = Date.now() - Date.parse(String(startTime));
          if (!(age >= -2_000 && age < 120_000)) throw new Error(`it started at ${String(startTime)}`);
          if (hostIP === undefined || hostIPs?.[0]?.ip !== hostIP)
            throw new Error(`host: ${hostIP}, ${JSON.stringify(hostIPs)}`);
          if (podIP === undefined || podIPs?.[0]?.ip !== podIP)
            throw new Error(`pod: ${podIP}, ${JSON.stringify(podIPs)}`);
          if (observedGeneration !== metadata?.generation)
            throw new Error(`generation ${metadata?.generation}, seen ${observedGeneration}`);
        },
      ],
    },
    {
      name: "statuses tell when a container started and ended",
      pod: once({ script: "sleep 2" }),
      steps: [
        becomes({ phase: "Succeeded" }),
        async (run) => {
          const { startedAt, finishedAt, containerID } =
            run.recorded.object?.status?.containerStatuses?.[0]?.state?.terminated ?? {};
          const lasted = Date.parse(String(finishedAt)) - Date.parse(String(startedAt));
          if (lasted < 1_000 || lasted > 10_000) throw new Error(`it lasted ${lasted} ms`);
          if (!/^containerd:\/\/[0-9a-f]{64}$/.test(containerID ?? "")) throw new Error(`id is ${containerID}`);
        },
      ],
    },
    {
      name: "statuses tell what is mounted, and which user runs",
      pod: lasting(
        {
          volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }],
          securityContext: { runAsUser: 1000, runAsGroup: 1000 },
        },
        { volumes: [{ name: "v", emptyDir: {} }] },
      ),
      steps: [
        isReady(),
        objectHas({
          status: {
            containerStatuses: { 0: { volumeMounts: { 0: { name: "v", mountPath: "/v", readOnly: true } } } } as never,
          },
        }),
      ],
    },
    {
      name: "statuses are in the order of the containers",
      pod: podOf([
        { name: "c", script: SERVE },
        { name: "a", script: SERVE },
        { name: "b", script: SERVE },
      ]),
      steps: [
        isReady(),
        async (run) => {
          const names = run.recorded.object?.status?.containerStatuses?.map(({ name }) => name).join();
          if (names !== "a,b,c" && names !== "c,a,b") throw new Error(`they are ${names}`);
        },
      ],
    },
    {
      name: "a condition that somebody else sets stays",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const body = { status: { conditions: [{ type: "example.com/mine", status: "True" }] } };
          await run.target.kube.patch(PODS, run.key, { type: "strategic", body }, run.signal, {
            subresource: "status",
          });
          await run.killContainer("main", "SIGKILL");
        },
        becomes({
          containers: { main: { restarts: 1, state: "running" } },
          conditions: { Ready: "True", "example.com/mine": "True" },
        }),
      ],
    },
  ],
};

export const DEADLINES: PodTheme = {
  name: "deadlines",
  cases: [
    {
      name: "a pod that is active for too long has failed",
      core: true,
      pod: lasting({}, { activeDeadlineSeconds: 3 }),
      steps: [
        becomes({
          phase: "Failed",
          reason: "DeadlineExceeded",
          message: /Pod was active on the node longer than the specified deadline/,
        }),
        event("DeadlineExceeded", /longer than the specified deadline/),
        becomes({ containers: { main: { state: "terminated" } } }),
      ],
    },
    {
      name: "the deadline counts while init containers run",
      pod: podOf([{ script: SERVE }], {
        activeDeadlineSeconds: 3,
        initContainers: [container({ name: "first", script: SERVE })],
      }),
      steps: [
        becomes({ phase: "Failed", reason: "DeadlineExceeded" }),
        neverWas({ containers: { main: { state: "running" } } }),
      ],
    },
    {
      name: "a pod that ends before its deadline has succeeded",
      pod: once({ script: "exit 0" }, { activeDeadlineSeconds: 30 }),
      steps: [becomes({ phase: "Succeeded", reason: undefined })],
    },
    {
      name: "a deadline may be set later",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          await run.target.kube.patch(
            PODS,
            run.key,
            { type: "merge", body: { spec: { activeDeadlineSeconds: 1 } } },
            run.signal,
          );
        },
        becomes({ phase: "Failed", reason: "DeadlineExceeded" }),
      ],
      timeoutSeconds: 90,
    },
  ],
};

/** Refused by the node; nothing of it ever ran. */
const refused = (reason: string, message: RegExp) => [
  becomes({ phase: "Failed", reason, message }),
  neverWas({ containers: { main: { state: "running" } } }),
  warning(reason),
];

export const ADMISSION: PodTheme = {
  name: "admission at the node",
  cases: [
    {
      name: "more CPU than the node has",
      core: true,
      pod: lasting({ resources: { requests: { cpu: "1000" } } }),
      steps: refused("OutOfcpu", /Node didn't have enough resource: cpu, requested: 1000000, used: \d+, capacity: \d+/),
    },
    {
      name: "more memory than the node has",
      pod: lasting({ resources: { requests: { memory: "100Ti" } } }),
      steps: refused("OutOfmemory", /Node didn't have enough resource: memory/),
    },
    {
      name: "huge pages that the node does not have",
      pod: lasting({ resources: { limits: { "hugepages-2Mi": "64Mi", memory: "64Mi", cpu: "10m" } } }),
      steps: refused("OutOfhugepages-2Mi", /Node didn't have enough resource: hugepages-2Mi/),
    },
    {
      name: "a node selector that does not match",
      core: true,
      pod: lasting({}, { nodeSelector: { disk: "fast" } }),
      steps: refused("NodeAffinity", /Predicate NodeAffinity failed/),
    },
    {
      name: "a required affinity that does not match",
      pod: lasting(
        {},
        {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: ["fast"] }] }],
              },
            },
          },
        },
      ),
      steps: refused("NodeAffinity", /Predicate NodeAffinity failed/),
    },
    {
      name: "a selector that matches the node's own labels",
      pod: ({ nodeName }) =>
        lasting({}, { nodeSelector: { "kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux" } }),
      steps: [isReady()],
    },
    {
      name: "another operating system",
      pod: lasting({}, { os: { name: "windows" } }),
      steps: refused("PodOSNotSupported", /Failed to admit pod as the OS field doesn't match node OS/),
    },
    {
      name: "a host port that another pod has",
      pod: podOf([{ script: SERVE, ports: [{ containerPort: 80, hostPort: 39_481 }] }]),
      steps: [
        isReady(),
        async (run) => {
          const { uid } = run;
          await run.create({
            metadata: { name: "second" },
            ...podOf([{ script: SERVE, ports: [{ containerPort: 81, hostPort: 39_481 }] }]),
          });
          await run.becomes({ phase: "Failed", reason: "NodePorts" });
          await run.target.kube.delete(PODS, { namespace: run.namespace, name: "pod" }, run.signal);
          if (uid === run.uid) throw new Error("it is the same pod");
        },
      ],
    },
    {
      name: "a runtime class that the runtime does not know",
      pod: lasting({}, { runtimeClassName: "unknown-to-runtime" }),
      givenOf: () => [
        {
          type: RUNTIME_CLASSES,
          object: { metadata: { name: "unknown-to-runtime" }, handler: "unknown" } as Given["object"],
          cluster: true,
        },
      ],
      steps: [
        warning("FailedCreatePodSandBox", /unknown/),
        becomes({ phase: "Pending" }),
        containerBecomes({ reason: "ContainerCreating" }),
      ],
    },
    {
      name: "a runtime class that the runtime knows",
      pod: lasting({}, { runtimeClassName: "plain" }),
      givenOf: () => [
        {
          type: RUNTIME_CLASSES,
          object: { metadata: { name: "plain" }, handler: "runc" } as Given["object"],
          cluster: true,
        },
      ],
      steps: [isReady()],
    },
    {
      name: "a taint NoExecute that the pod does not tolerate ends it",
      alone: true,
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const key = { name: run.target.nodeName };
          const { spec } = await run.target.kube.get(NODES, key, run.signal);
          const taints = [...(spec?.taints ?? []), { key: "example.com/maintenance", effect: "NoExecute" }];
          const set = (value: unknown) =>
            run.target.kube.patch(NODES, key, { type: "merge", body: { spec: { taints: value } } }, run.signal);
          await set(taints);
          try {
            await run.gone();
          } finally {
            await set(spec?.taints ?? null);
          }
        },
        was({ deleting: true, conditions: { DisruptionTarget: "True DeletionByTaintManager" } }),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "a refused pod can be deleted",
      pod: lasting({ resources: { requests: { cpu: "1000" } } }),
      steps: [becomes({ phase: "Failed" }), deletes(), isGone()],
    },
  ],
};
