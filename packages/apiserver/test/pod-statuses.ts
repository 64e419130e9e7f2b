/** What pods go through, and `kubectl get` must tell apart. */
export interface PodStatusSample {
  readonly name: string;
  readonly spec?: object;
  readonly status: object;
  /** Keeps the pod in deletion: it has a finalizer. */
  readonly deleted?: true;
}

const RUNNING = { running: { startedAt: "2026-01-01T00:00:00Z" } };
const ENDED = "2026-01-01T00:00:00Z";

function container(state: object, more: object = {}): object {
  return { name: "c", image: "i", imageID: "x", ready: false, restartCount: 0, state, ...more };
}

const INIT = {
  initContainers: [
    { name: "i1", image: "i" },
    { name: "i2", image: "i" },
  ],
};
const SIDECAR = { initContainers: [{ name: "i1", image: "i", restartPolicy: "Always" }] };

export const POD_STATUSES: readonly PodStatusSample[] = [
  { name: "pending", status: { phase: "Pending" } },
  {
    name: "gated",
    status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
  },
  {
    name: "creating",
    status: { phase: "Pending", containerStatuses: [container({ waiting: { reason: "ContainerCreating" } })] },
  },
  {
    name: "no image",
    status: { phase: "Pending", containerStatuses: [container({ waiting: { reason: "ImagePullBackOff" } })] },
  },
  {
    name: "running",
    status: {
      phase: "Running",
      podIP: "10.1.0.1",
      podIPs: [{ ip: "10.1.0.1" }],
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [container(RUNNING, { ready: true })],
    },
  },
  {
    name: "crashing",
    status: {
      phase: "Running",
      containerStatuses: [
        container(
          { waiting: { reason: "CrashLoopBackOff" } },
          { restartCount: 4, lastState: { terminated: { exitCode: 1, finishedAt: ENDED } } },
        ),
      ],
    },
  },
  {
    name: "restarted without a time",
    status: { phase: "Running", containerStatuses: [container(RUNNING, { ready: true, restartCount: 2 })] },
  },
  {
    name: "completed",
    status: {
      phase: "Succeeded",
      containerStatuses: [container({ terminated: { exitCode: 0, reason: "Completed" } })],
    },
  },
  {
    name: "failed",
    status: { phase: "Failed", containerStatuses: [container({ terminated: { exitCode: 3, reason: "Error" } })] },
  },
  { name: "exit code", status: { phase: "Failed", containerStatuses: [container({ terminated: { exitCode: 3 } })] } },
  {
    name: "signal",
    status: { phase: "Failed", containerStatuses: [container({ terminated: { exitCode: 137, signal: 9 } })] },
  },
  { name: "evicted", status: { phase: "Failed", reason: "Evicted" } },
  {
    name: "half completed",
    spec: {
      containers: [
        { name: "c", image: "i" },
        { name: "d", image: "i" },
      ],
    },
    status: {
      phase: "Running",
      containerStatuses: [
        container({ terminated: { exitCode: 0, reason: "Completed" } }),
        container(RUNNING, { name: "d", ready: true }),
      ],
    },
  },
  {
    name: "half completed and ready",
    spec: {
      containers: [
        { name: "c", image: "i" },
        { name: "d", image: "i" },
      ],
    },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [
        container({ terminated: { exitCode: 0, reason: "Completed" } }),
        container(RUNNING, { name: "d", ready: true }),
      ],
    },
  },
  {
    name: "half failed",
    spec: {
      containers: [
        { name: "c", image: "i" },
        { name: "d", image: "i" },
      ],
    },
    status: {
      phase: "Running",
      containerStatuses: [
        container({ terminated: { exitCode: 0, reason: "Completed" } }),
        container({ terminated: { exitCode: 1, reason: "Error" } }, { name: "d" }),
      ],
    },
  },
  {
    name: "initializing",
    spec: INIT,
    status: {
      phase: "Pending",
      initContainerStatuses: [
        container({ terminated: { exitCode: 0 } }, { name: "i1", restartCount: 1 }),
        container(RUNNING, { name: "i2" }),
      ],
    },
  },
  {
    name: "initialization waits",
    spec: INIT,
    status: {
      phase: "Pending",
      initContainerStatuses: [
        container({ waiting: { reason: "PodInitializing" } }, { name: "i1" }),
        container({ waiting: { reason: "PodInitializing" } }, { name: "i2" }),
      ],
    },
  },
  {
    name: "initialization has no image",
    spec: INIT,
    status: {
      phase: "Pending",
      initContainerStatuses: [container({ waiting: { reason: "ErrImagePull" } }, { name: "i1" })],
    },
  },
  {
    name: "initialization fails",
    spec: INIT,
    status: {
      phase: "Pending",
      initContainerStatuses: [
        container(
          { terminated: { exitCode: 2, reason: "Error" } },
          { name: "i1", restartCount: 3, lastState: { terminated: { exitCode: 2, finishedAt: ENDED } } },
        ),
      ],
    },
  },
  {
    name: "initialization exits",
    spec: INIT,
    status: { phase: "Pending", initContainerStatuses: [container({ terminated: { exitCode: 2 } }, { name: "i1" })] },
  },
  {
    name: "initialized",
    spec: INIT,
    status: {
      phase: "Running",
      conditions: [{ type: "Initialized", status: "True" }],
      initContainerStatuses: [container({ terminated: { exitCode: 0 } }, { name: "i1", restartCount: 5 })],
      containerStatuses: [container(RUNNING, { ready: true, restartCount: 1 })],
    },
  },
  {
    name: "sidecar",
    spec: SIDECAR,
    status: {
      phase: "Running",
      initContainerStatuses: [container(RUNNING, { name: "i1", started: true, ready: true, restartCount: 2 })],
      containerStatuses: [container(RUNNING, { ready: true, restartCount: 1 })],
    },
  },
  {
    name: "sidecar starting",
    spec: SIDECAR,
    status: { phase: "Pending", initContainerStatuses: [container(RUNNING, { name: "i1", started: false })] },
  },
  {
    name: "gates",
    spec: { readinessGates: [{ conditionType: "a.b/c" }, { conditionType: "a.b/d" }] },
    status: { phase: "Running", conditions: [{ type: "a.b/c", status: "True" }] },
  },
  {
    name: "terminating",
    status: { phase: "Running", containerStatuses: [container(RUNNING, { ready: true })] },
    deleted: true,
  },
  { name: "lost", status: { phase: "Running", reason: "NodeLost" }, deleted: true },
  {
    name: "completed and terminating",
    status: {
      phase: "Succeeded",
      containerStatuses: [container({ terminated: { exitCode: 0, reason: "Completed" } })],
    },
    deleted: true,
  },
];
