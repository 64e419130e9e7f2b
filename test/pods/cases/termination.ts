import { PODS } from "@kedge/kube";
import type { PodTheme } from "../pod-case.ts";
import { container, lasting, once, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  changes,
  containerBecomes,
  deletes,
  event,
  isCleared,
  isGone,
  isReady,
  leaves,
  took,
  was,
} from "../steps.ts";

/** Does not listen to SIGTERM. */
const STUBBORN = "trap '' TERM; while :; do sleep 1; done";

export const TERMINATION: PodTheme = {
  name: "termination",
  cases: [
    {
      name: "a deleted pod is told to end, its last state is shown, and it goes",
      core: true,
      pod: {
        spec: {
          ...lasting().spec,
          terminationGracePeriodSeconds: 30,
          containers: [container({ script: "trap 'sleep 1; exit 5' TERM; while :; do sleep 3600 & wait $!; done" })],
        },
      },
      steps: [
        isReady(),
        deletes(),
        isGone(),
        was({ deleting: true, containers: { main: { state: "terminated", exitCode: 5, reason: "Error" } } }),
        was({ phase: "Failed" }),
        event("Killing", /^Stopping container main$/),
        isCleared(),
      ],
    },
    {
      name: "a pod whose containers end with 0 when deleted has Succeeded",
      pod: lasting(),
      steps: [
        isReady(),
        deletes(),
        isGone(),
        was({ deleting: true, phase: "Succeeded", containers: { main: { exitCode: 0 } } }),
      ],
    },
    {
      name: "who does not listen is killed after the grace period",
      core: true,
      pod: {
        spec: { ...lasting().spec, terminationGracePeriodSeconds: 2, containers: [container({ script: STUBBORN })] },
      },
      steps: [
        isReady(),
        took(2_000, 15_000, deletes(), isGone()),
        was({ containers: { main: { state: "terminated", exitCode: 137 } } }),
      ],
    },
    {
      name: "a deletion may shorten the grace period",
      pod: {
        spec: { ...lasting().spec, terminationGracePeriodSeconds: 600, containers: [container({ script: STUBBORN })] },
      },
      steps: [isReady(), took(1_000, 15_000, deletes(1), isGone())],
    },
    {
      name: "a second deletion may shorten the grace period of the first",
      unsteady: "a kubelet that is already waiting for a container may wait on for the first grace period",
      pod: {
        spec: { ...lasting().spec, terminationGracePeriodSeconds: 600, containers: [container({ script: STUBBORN })] },
      },
      steps: [isReady(), deletes(), becomes({ deleting: true }), took(0, 20_000, deletes(1), isGone())],
    },
    {
      name: "a pod that is deleted by force is cleared away at the node",
      core: true,
      pod: {
        spec: { ...lasting().spec, terminationGracePeriodSeconds: 2, containers: [container({ script: STUBBORN })] },
      },
      steps: [isReady(), deletes(0), isGone(), isCleared()],
    },
    {
      name: "a finalizer keeps the object, not the containers",
      pod: { metadata: { finalizers: ["example.com/wait"] }, ...lasting() },
      steps: [
        isReady(),
        deletes(),
        becomes({ deleting: true, phase: "Succeeded", containers: { main: { state: "terminated" } } }),
        changes(PODS, "pod", { metadata: { finalizers: null } }),
        isGone(),
      ],
    },
    {
      name: "a pending pod can be deleted",
      pod: lasting({}, { volumes: [{ name: "v", configMap: { name: "none" } }] }),
      steps: [becomes({ phase: "Pending" }), deletes(), isGone(), isCleared()],
    },
    {
      name: "an ended pod can be deleted",
      pod: once({ script: "exit 0" }),
      steps: [becomes({ phase: "Succeeded" }), deletes(), isGone(), isCleared()],
    },
    {
      name: "a pod in back-off can be deleted",
      pod: podOf([{ script: "exit 1" }]),
      steps: [containerBecomes({ reason: "CrashLoopBackOff" }), deletes(), isGone(), isCleared()],
    },
    {
      name: "a deleted pod is not ready any more while it ends",
      pod: {
        spec: {
          ...lasting().spec,
          terminationGracePeriodSeconds: 30,
          containers: [
            container({
              script: "trap 'sleep 5; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
              readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
            }),
          ],
        },
      },
      steps: [isReady(), deletes(), isGone(), was({ deleting: true, conditions: { Ready: /^False/ } })],
    },
    {
      name: "what a container writes to its termination message is in its status",
      core: true,
      pod: once({ script: "echo -n goodbye > /dev/termination-log" }),
      steps: [becomes({ phase: "Succeeded", containers: { main: { message: "goodbye" } } })],
    },
    {
      name: "the termination message may be at another path",
      pod: once({ script: "echo -n goodbye > /tmp/last-words; exit 1", terminationMessagePath: "/tmp/last-words" }),
      steps: [becomes({ phase: "Failed", containers: { main: { message: "goodbye", reason: "Error" } } })],
    },
    {
      name: "FallbackToLogsOnError takes the log's end when a container fails without a message",
      pod: once({ script: "echo one; echo two >&2; exit 1", terminationMessagePolicy: "FallbackToLogsOnError" }),
      steps: [becomes({ phase: "Failed", containers: { main: { message: "one\ntwo\n" } } })],
    },
    {
      name: "FallbackToLogsOnError is for failures alone",
      pod: once({ script: "echo one", terminationMessagePolicy: "FallbackToLogsOnError" }),
      steps: [becomes({ phase: "Succeeded", containers: { main: { message: undefined } } })],
    },
    {
      name: "a long termination message is cut",
      pod: once({ script: "yes | head -c 9000 > /dev/termination-log" }),
      steps: [becomes({ phase: "Succeeded", containers: { main: { message: (text) => text?.length === 4096 } } })],
    },
    {
      name: "of the log at most 80 lines are taken",
      pod: once({ script: "seq 1 100; exit 1", terminationMessagePolicy: "FallbackToLogsOnError" }),
      steps: [becomes({ phase: "Failed", containers: { main: { message: /^21\n[^]*\n100\n$/ } } })],
    },
    {
      name: "the message of the last life is kept beside the present one",
      pod: podOf([{ script: "echo -n $(date +%s) > /dev/termination-log; exit 1" }]),
      steps: [containerBecomes({ reason: "CrashLoopBackOff", lastMessage: /^\d+$/ })],
    },
    {
      name: "containers of a deleted pod are told at once, not one after the other",
      pod: ({ scratch }) =>
        podOf(
          ["a", "b", "c"].map((name) => ({
            name,
            script: `trap 'sleep 3; date +%s >> /v/${name}; exit 0' TERM; while :; do sleep 3600 & wait $!; done`,
            volumeMounts: [{ name: "v", mountPath: "/v" }],
          })),
          {
            terminationGracePeriodSeconds: 30,
            volumes: [{ name: "v", hostPath: { path: scratch, type: "DirectoryOrCreate" } }],
          },
        ),
      steps: [
        isReady(),
        took(3_000, 12_000, deletes(), isGone()),
        leaves("a", /\d/),
        leaves("b", /\d/),
        leaves("c", /\d/),
      ],
    },
    {
      name: "a pod of the same name can follow",
      core: true,
      pod: lasting(),
      steps: [
        isReady(),
        deletes(),
        isGone(),
        async (run) => {
          const before = run.uid;
          await run.create(lasting({ script: "echo second" }));
          await run.becomes({ phase: "Running", conditions: { Ready: "True" }, containers: { main: { restarts: 0 } } });
          if (run.uid === before) throw new Error("it is the same pod");
        },
      ],
    },
    {
      name: "processes that a container leaves behind end with it",
      pod: podOf([{ script: `(trap '' TERM; while :; do sleep 1; done) & ${SERVE}` }]),
      steps: [isReady(), took(0, 20_000, deletes(), isGone()), isCleared()],
    },
  ],
};
