import { readFile } from "node:fs/promises";
import type { ContainerTemplate, PodTemplate, PodTheme } from "../pod-case.ts";
import { lasting, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  containerBecomes,
  deletes,
  event,
  isGone,
  isReady,
  leaves,
  noEvent,
  prints,
  shows,
  was,
  warning,
} from "../steps.ts";

const shell = (script: string) => ({ exec: { command: ["sh", "-c", script] } });
const V = [{ name: "v", mountPath: "/v" }];

/** With a folder of the node at `/v`, so that something remains when the pod has gone. */
function podWith(main: ContainerTemplate, scratch: string, terminationGracePeriodSeconds: number): PodTemplate {
  const volumes = [{ name: "v", hostPath: { path: scratch, type: "DirectoryOrCreate" } }];
  return podOf([{ volumeMounts: V, ...main }], { volumes, terminationGracePeriodSeconds });
}

export const HOOKS: PodTheme = {
  name: "hooks",
  cases: [
    {
      name: "postStart runs in the container, which runs once it has",
      core: true,
      pod: lasting({ lifecycle: { postStart: shell("sleep 1; echo done > /tmp/hook") } }),
      steps: [isReady(), shows("cat /tmp/hook", "done")],
    },
    {
      name: "a container whose postStart fails is killed and tried again",
      pod: lasting({ lifecycle: { postStart: shell("exit 7") } }),
      steps: [
        warning("FailedPostStartHook", /PostStartHook failed|exited with 7/),
        event("Killing", /FailedPostStartHook/),
        was({ containers: { main: { restarts: 1 } } }),
      ],
    },
    {
      name: "a postStart by httpGet to nobody fails",
      pod: lasting({ lifecycle: { postStart: { httpGet: { port: 8081, path: "/" } } } }),
      steps: [
        warning("FailedPostStartHook"),
        was({ containers: { main: { state: "waiting", reason: "PostStartHookError" } } }),
      ],
    },
    {
      name: "preStop runs before the container is told to end",
      core: true,
      pod: ({ scratch }) =>
        podWith(
          {
            script: `trap 'echo term >> /v/log; exit 0' TERM; while :; do sleep 3600 & wait $!; done`,
            lifecycle: { preStop: shell("sleep 1; echo hook >> /v/log") },
          },
          scratch,
          20,
        ),
      steps: [isReady(), deletes(), isGone(), leaves("log", "hook\nterm\n"), noEvent("FailedPreStopHook")],
    },
    {
      name: "a failing preStop is told of, and the container ends all the same",
      pod: ({ scratch }) => podWith({ script: SERVE, lifecycle: { preStop: shell("echo no; exit 5") } }, scratch, 20),
      steps: [isReady(), deletes(), isGone(), warning("FailedPreStopHook", /PreStopHook failed|exited with 5/)],
    },
    {
      name: "preStop is part of the grace period",
      pod: ({ scratch }) =>
        podWith(
          {
            script: `trap 'echo term >> /v/log; exit 0' TERM; while :; do sleep 3600 & wait $!; done`,
            lifecycle: { preStop: shell("echo hook >> /v/log; sleep 600") },
          },
          scratch,
          2,
        ),
      steps: [isReady(), deletes(), isGone(), leaves("log", "hook\nterm\n"), warning("FailedPreStopHook")],
    },
    {
      name: "preStop may just wait",
      pod: ({ scratch }) =>
        podWith(
          {
            script: `trap 'date +%s >> /v/term; exit 0' TERM; while :; do sleep 3600 & wait $!; done`,
            lifecycle: { preStop: { sleep: { seconds: 3 } } },
          },
          scratch,
          20,
        ),
      steps: [
        isReady(),
        async (run) => {
          const before = Math.floor(Date.now() / 1000);
          await run.delete();
          await run.gone();
          const told = Number(await readFile(`${run.scratch}/term`, "utf8"));
          if (told - before < 2) throw new Error(`told to end after ${told - before} s`);
        },
      ],
    },
    {
      name: "preStop also runs when a liveness probe ends the container",
      pod: ({ scratch }) =>
        podWith(
          {
            script: SERVE,
            livenessProbe: { ...shell("test ! -e /tmp/bad"), periodSeconds: 1, failureThreshold: 1 },
            lifecycle: { preStop: shell("echo hook >> /v/log"), postStart: shell("[ -e /v/log ] || touch /tmp/bad") },
          },
          scratch,
          20,
        ),
      steps: [was({ containers: { main: { restarts: 1 } } }), leaves("log", "hook\n")],
    },
    {
      name: "preStop does not run when a container ends by itself",
      pod: ({ scratch }) => ({
        spec: {
          ...podWith({ script: "exit 0", lifecycle: { preStop: shell("echo hook >> /v/log") } }, scratch, 5).spec,
          restartPolicy: "Never",
        },
      }),
      steps: [becomes({ phase: "Succeeded" }), deletes(), isGone(), leaves("log", "")],
    },
    {
      name: "a container is waiting until postStart has ended",
      pod: lasting({ lifecycle: { postStart: shell("until [ -e /tmp/go ]; do sleep 0.1; done") } }),
      steps: [
        async (run) => {
          await run.eventually(async () => {
            const found = await run.containerId("main").catch(() => undefined);
            return found === undefined ? "no container runs" : undefined;
          });
          await containerBecomes({ state: "waiting", reason: "ContainerCreating" })(run);
          await run.exec("main", ["touch", "/tmp/go"]);
        },
        isReady(),
        prints(""),
      ],
    },
  ],
};
