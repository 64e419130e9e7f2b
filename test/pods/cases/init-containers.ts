import type { PodTheme } from "../pod-case.ts";
import { container, once, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  containerBecomes,
  deletes,
  isGone,
  isReady,
  leaves,
  neverWas,
  prints,
  runs,
  shows,
  succeeds,
  was,
} from "../steps.ts";

const V = [{ name: "v", mountPath: "/v" }];
const EMPTY = { volumes: [{ name: "v", emptyDir: {} }] };
const atNode = (scratch: string) => ({
  volumes: [{ name: "v", hostPath: { path: scratch, type: "DirectoryOrCreate" } }],
});
const sidecar = (name: string, script: string, rest: object = {}) =>
  container({ name, script, restartPolicy: "Always", volumeMounts: V, ...rest });

export const INIT_CONTAINERS: PodTheme = {
  name: "init containers",
  cases: [
    {
      name: "they run one after the other, before the others",
      core: true,
      pod: podOf([{ script: "echo main >> /v/log; cat /v/log", volumeMounts: V }], {
        ...EMPTY,
        restartPolicy: "Never",
        initContainers: [
          container({ name: "first", script: "sleep 1; echo first >> /v/log", volumeMounts: V }),
          container({ name: "second", script: "echo second >> /v/log", volumeMounts: V }),
        ],
      }),
      steps: [
        was({
          phase: "Pending",
          conditions: { Initialized: "False ContainersNotInitialized" },
          containers: { main: { state: "waiting", reason: "PodInitializing" } },
          initContainers: { first: { state: "running" }, second: { state: "waiting", reason: "PodInitializing" } },
        }),
        succeeds(),
        prints("first\nsecond\nmain\n"),
        becomes({
          initContainers: {
            first: { state: "terminated", reason: "Completed", ready: true, restarts: 0 },
            second: { state: "terminated", reason: "Completed", ready: true },
          },
        }),
      ],
    },
    {
      name: "Never: one that fails makes the pod Failed, and the others never run",
      pod: podOf([{ script: "exit 0" }], {
        restartPolicy: "Never",
        initContainers: [
          container({ name: "first", script: "exit 2" }),
          container({ name: "second", script: "exit 0" }),
        ],
      }),
      steps: [
        becomes({
          phase: "Failed",
          initContainers: {
            first: { state: "terminated", exitCode: 2 },
            second: { state: "waiting", reason: "PodInitializing" },
          },
          containers: { main: { state: "waiting", reason: "PodInitializing" } },
          conditions: { Initialized: "False ContainersNotInitialized", Ready: /^False/ },
        }),
      ],
    },
    {
      name: "Always: one that fails is tried again, with back-off",
      pod: podOf([{ script: SERVE }], { initContainers: [container({ name: "first", script: "exit 2" })] }),
      steps: [
        becomes({
          phase: "Pending",
          initContainers: { first: { state: "waiting", reason: "CrashLoopBackOff", restarts: 1, last: "Error 2" } },
          containers: { main: { state: "waiting", reason: "PodInitializing" } },
        }),
      ],
    },
    {
      name: "one that succeeds at its second try lets the pod go on",
      core: true,
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        initContainers: [
          container({ name: "first", script: "[ -e /v/x ] || { touch /v/x; exit 1; }", volumeMounts: V }),
        ],
      }),
      steps: [isReady(), becomes({ initContainers: { first: { state: "terminated", exitCode: 0, restarts: 1 } } })],
    },
    {
      name: "they do not run again when another container is restarted",
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        initContainers: [container({ name: "first", script: "echo x >> /v/log", volumeMounts: V })],
      }),
      steps: [
        isReady(),
        async (run) => run.killContainer("main", "SIGKILL"),
        containerBecomes({ restarts: 1, state: "running" }),
        becomes({ initContainers: { first: { restarts: 0 } } }),
      ],
    },
    {
      name: "a pod that is deleted while they run ends",
      pod: podOf([{ script: SERVE }], { initContainers: [container({ name: "first", script: SERVE })] }),
      steps: [
        becomes({ initContainers: { first: { state: "running" } } }),
        deletes(),
        isGone(),
        neverWas({ containers: { main: { state: "running" } } }),
        neverWas({ containers: { main: { state: "terminated" } } }),
      ],
    },
    {
      name: "their termination message is in their status",
      pod: podOf([{ script: "exit 0" }], {
        restartPolicy: "Never",
        initContainers: [container({ name: "first", script: "echo -n why > /dev/termination-log; exit 1" })],
      }),
      steps: [becomes({ phase: "Failed", initContainers: { first: { message: "why" } } })],
    },
    {
      name: "one with an image that is not there keeps the pod pending",
      pod: podOf([{ script: SERVE }], { initContainers: [container({ name: "first", image: "kedge.local/none:1" })] }),
      steps: [
        becomes({ phase: "Pending", initContainers: { first: { state: "waiting", reason: "ErrImageNeverPull" } } }),
      ],
    },
  ],
};

export const SIDECARS: PodTheme = {
  name: "sidecars",
  cases: [
    {
      name: "a sidecar starts before the others and goes on beside them",
      core: true,
      pod: podOf([{ script: `echo main >> /v/log; ${SERVE}`, volumeMounts: V }], {
        ...EMPTY,
        initContainers: [
          sidecar("side", `echo side >> /v/log; ${SERVE}`),
          container({ name: "after", script: "echo after >> /v/log", volumeMounts: V }),
        ],
      }),
      steps: [
        isReady(),
        becomes({
          initContainers: {
            side: { state: "running", started: true, ready: true },
            after: { state: "terminated", exitCode: 0 },
          },
        }),
        shows("tr '\\n' ' ' < /v/log", "side after main"),
      ],
    },
    {
      name: "the next one waits for a sidecar's startup probe",
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        initContainers: [
          sidecar("side", SERVE, {
            startupProbe: { exec: { command: ["test", "-e", "/v/go"] }, periodSeconds: 1, failureThreshold: 100 },
          }),
        ],
      }),
      steps: [
        becomes({
          initContainers: { side: { state: "running", started: false } },
          containers: { main: { state: "waiting", reason: "PodInitializing" } },
        }),
        runs("touch /v/go", "side"),
        isReady(),
        becomes({ initContainers: { side: { started: true } } }),
      ],
    },
    {
      name: "a sidecar that ends is started again, whatever the pod's policy",
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        restartPolicy: "Never",
        initContainers: [sidecar("side", SERVE)],
      }),
      steps: [
        isReady(),
        async (run) => run.killContainer("side", "SIGKILL"),
        becomes({
          phase: "Running",
          initContainers: { side: { state: "running", restarts: 1 } },
          containers: { main: { restarts: 0 } },
        }),
      ],
    },
    {
      name: "a pod has succeeded when its containers have, and its sidecars end then",
      core: true,
      pod: podOf([{ script: "sleep 1" }], {
        ...EMPTY,
        restartPolicy: "Never",
        initContainers: [sidecar("side", SERVE)],
      }),
      steps: [
        becomes({
          phase: "Succeeded",
          initContainers: { side: { state: "terminated" } },
          containers: { main: { exitCode: 0 } },
        }),
      ],
    },
    {
      name: "a sidecar's failure is not the pod's",
      pod: podOf([{ script: "sleep 1" }], {
        ...EMPTY,
        restartPolicy: "Never",
        initContainers: [sidecar("side", "trap 'exit 9' TERM; while :; do sleep 3600 & wait $!; done")],
      }),
      steps: [becomes({ phase: "Succeeded", initContainers: { side: { state: "terminated" } } })],
    },
    {
      name: "sidecars end after the others, the last first",
      pod: ({ scratch }) =>
        podOf(
          [
            {
              script: "trap 'sleep 1; echo main >> /v/log; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
              volumeMounts: V,
            },
          ],
          {
            ...atNode(scratch),
            terminationGracePeriodSeconds: 30,
            initContainers: ["one", "two"].map((name) =>
              sidecar(
                name,
                `trap 'sleep 1; echo ${name} >> /v/log; exit 0' TERM; while :; do sleep 3600 & wait $!; done`,
              ),
            ),
          },
        ),
      steps: [isReady(), deletes(), isGone(), leaves("log", "main\ntwo\none\n")],
    },
    {
      name: "a sidecar's readiness is the pod's, too",
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        initContainers: [
          sidecar("side", SERVE, { readinessProbe: { exec: { command: ["test", "-e", "/v/ok"] }, periodSeconds: 1 } }),
        ],
      }),
      steps: [
        becomes({
          phase: "Running",
          containers: { main: { ready: true } },
          conditions: { Ready: "False ContainersNotReady" },
        }),
        runs("touch /v/ok", "side"),
        isReady(),
      ],
    },
    {
      name: "a sidecar's liveness probe restarts it alone",
      pod: podOf([{ script: SERVE }], {
        ...EMPTY,
        initContainers: [
          sidecar("side", `touch /v/ok; ${SERVE}`, {
            livenessProbe: { exec: { command: ["test", "-e", "/v/ok"] }, periodSeconds: 1, failureThreshold: 1 },
          }),
        ],
      }),
      steps: [
        isReady(),
        runs("rm /v/ok", "side"),
        was({ initContainers: { side: { restarts: 1 } } }),
        isReady(),
        containerBecomes({ restarts: 0 }),
      ],
    },
    {
      name: "a job with a sidecar that fails has failed",
      pod: once({ script: "sleep 1; exit 4" }, { ...EMPTY, initContainers: [sidecar("side", SERVE)] }),
      steps: [
        becomes({
          phase: "Failed",
          containers: { main: { exitCode: 4 } },
          initContainers: { side: { state: "terminated" } },
        }),
        neverWas({ phase: "Succeeded" }),
      ],
    },
  ],
};
