import { readFile, rm, writeFile } from "node:fs/promises";
import { type Pod, PODS } from "@kedge/kube";
import type { PodTheme } from "../pod-case.ts";
import { lasting, once, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  containerBecomes,
  deletes,
  isCleared,
  isGone,
  isReady,
  kills,
  objectHas,
  prints,
  shows,
} from "../steps.ts";

export const STATIC_PODS: PodTheme = {
  name: "static pods",
  cases: [
    {
      name: "a file at the node becomes a pod, and the API shows it",
      core: true,
      fromFile: true,
      pod: lasting(),
      steps: [
        isReady(),
        objectHas({
          metadata: {
            annotations: {
              "kubernetes.io/config.source": "file",
              "kubernetes.io/config.hash": /^[0-9a-f]{32}$/,
              "kubernetes.io/config.mirror": /^[0-9a-f]{32}$/,
            },
          },
        }),
        async (run) => {
          const { ownerReferences = [] } = run.recorded.object?.metadata ?? {};
          const [owner] = ownerReferences;
          if (owner?.kind !== "Node" || owner.name !== run.target.nodeName)
            throw new Error(`its owner is ${JSON.stringify(owner)}`);
        },
        shows("hostname", /^pod-/),
      ],
    },
    {
      name: "its container is restarted like any other",
      fromFile: true,
      pod: lasting(),
      steps: [isReady(), kills(), containerBecomes({ restarts: 1, state: "running" })],
    },
    {
      name: "it goes when its file goes",
      core: true,
      fromFile: true,
      pod: lasting(),
      steps: [isReady(), (run) => rm(run.file), isGone(), isCleared()],
    },
    {
      name: "deleting it in the API does not end it: it is shown again",
      fromFile: true,
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const before = await run.containerId("main");
          await run.delete(0);
          await run.gone();
          await run.findMirror();
          await run.becomes({ phase: "Running", conditions: { Ready: "True" } });
          if ((await run.containerId("main")) !== before) throw new Error("its container is another");
        },
      ],
    },
    {
      name: "a changed file is another pod in the place of the first",
      fromFile: true,
      pod: lasting({ script: "echo one > /tmp/a" }),
      steps: [
        isReady(),
        async (run) => {
          const pod = JSON.parse(await readFile(run.file, "utf8")) as Pod;
          const [main] = pod.spec?.containers ?? [];
          if (main?.command !== undefined) main.command = ["sh", "-c", `echo two > /tmp/a\n${SERVE}`];
          await writeFile(run.file, JSON.stringify(pod));
          await run.gone();
          await run.findMirror();
        },
        isReady(),
        shows("cat /tmp/a", "two"),
      ],
      timeoutSeconds: 90,
    },
  ],
};

const debugs = (container: object) => async (run: Parameters<ReturnType<typeof isReady>>[0]) => {
  const ephemeral = { name: "debug", image: "kedge.local/busybox:1", imagePullPolicy: "Never", ...container };
  const body = { spec: { ephemeralContainers: [ephemeral] } };
  await run.target.kube.patch(PODS, run.key, { type: "strategic", body }, run.signal, {
    subresource: "ephemeralcontainers",
  });
};

export const EPHEMERAL_CONTAINERS: PodTheme = {
  name: "ephemeral containers",
  cases: [
    {
      name: "one is added to a running pod, which goes on",
      core: true,
      pod: lasting(),
      steps: [
        isReady(),
        debugs({ command: ["sh", "-c", `echo hello; ${SERVE}`] }),
        becomes({
          ephemeralContainers: { debug: { state: "running" } },
          containers: { main: { restarts: 0 } },
          conditions: { Ready: "True" },
        }),
        prints("hello\n", { container: "debug" }),
      ],
    },
    {
      name: "one that ends is not started again, and nobody minds",
      pod: lasting(),
      steps: [
        isReady(),
        debugs({ command: ["sh", "-c", "exit 4"] }),
        becomes({
          phase: "Running",
          ephemeralContainers: { debug: { state: "terminated", exitCode: 4, restarts: 0 } },
          conditions: { Ready: "True" },
        }),
      ],
    },
    {
      name: "one may look at another container's processes",
      pod: lasting({ script: "sleep 7777 &" }),
      steps: [
        isReady(),
        debugs({ command: ["sh", "-c", `ps | grep -c '[s]leep 7777$'; ${SERVE}`], targetContainerName: "main" }),
        becomes({ ephemeralContainers: { debug: { state: "running" } } }),
        prints("1\n", { container: "debug" }),
      ],
    },
    {
      name: "one does not keep a pod from its end",
      pod: once({ script: "until [ -e /tmp/go ]; do sleep 0.1; done" }),
      steps: [
        becomes({ phase: "Running" }),
        debugs({ command: ["sh", "-c", SERVE] }),
        becomes({ ephemeralContainers: { debug: { state: "running" } } }),
        async (run) => void (await run.exec("main", ["touch", "/tmp/go"])),
        becomes({ phase: "Succeeded", containers: { main: { exitCode: 0 } } }),
      ],
    },
    {
      name: "one with an image that is not there waits, and nobody minds",
      pod: lasting(),
      steps: [
        isReady(),
        debugs({ image: "kedge.local/none:1" }),
        becomes({
          ephemeralContainers: { debug: { state: "waiting", reason: "ErrImageNeverPull" } },
          conditions: { Ready: "True" },
        }),
      ],
    },
    {
      name: "one goes with its pod",
      pod: lasting(),
      steps: [
        isReady(),
        debugs({ command: ["sh", "-c", SERVE] }),
        becomes({ ephemeralContainers: { debug: { state: "running" } } }),
        deletes(),
        isGone(),
        isCleared(),
      ],
    },
  ],
};

export const AGENT_RESTARTS: PodTheme = {
  name: "agent restarts",
  cases: [
    {
      name: "a running container is not touched",
      core: true,
      alone: true,
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const before = await run.containerId("main");
          await run.target.restartAgent();
          await run.exec("main", ["sh", "-c", "sleep 2"]);
          await run.killContainer("main", "SIGKILL"); // that it is noticed shows that the agent is there
          await run.becomes({ containers: { main: { restarts: 1, state: "running" } } });
          const last = run.recorded.object?.status?.containerStatuses?.[0]?.lastState?.terminated?.containerID;
          if (last !== `containerd://${before}`) throw new Error(`${before} was replaced before: ${last}`);
        },
        isReady(),
      ],
      timeoutSeconds: 120,
    },
    {
      name: "what ended meanwhile is told, and restarted",
      alone: true,
      pod: podOf([{ script: "until [ -e /tmp/end ]; do sleep 0.1; done; exit 6" }]),
      steps: [
        containerBecomes({ state: "running" }),
        async (run) => {
          await run.exec("main", ["sh", "-c", "(sleep 0.5; touch /tmp/end) &"]);
          await run.target.restartAgent();
        },
        containerBecomes({ state: "running", restarts: 1, last: "Error 6" }),
      ],
      timeoutSeconds: 120,
    },
    {
      name: "an ended pod is not started again",
      alone: true,
      pod: once({ script: "exit 0" }),
      steps: [becomes({ phase: "Succeeded" }), (run) => run.target.restartAgent(), deletes(), isGone(), isCleared()],
      timeoutSeconds: 120,
    },
  ],
};
