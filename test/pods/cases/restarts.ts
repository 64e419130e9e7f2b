import type { PodTheme } from "../pod-case.ts";
import { container, lasting, once, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  containerBecomes,
  event,
  isReady,
  kills,
  neverWas,
  prints,
  shows,
  succeeds,
  was,
  warning,
} from "../steps.ts";

const RULE = {
  restartPolicy: "Never",
  restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
};

export const RESTARTS: PodTheme = {
  name: "restarts",
  cases: [
    {
      name: "Never: a container that succeeds makes the pod Succeeded",
      core: true,
      pod: once({ script: "exit 0" }),
      steps: [
        becomes({
          phase: "Succeeded",
          conditions: {
            Ready: "False PodCompleted",
            ContainersReady: "False PodCompleted",
            Initialized: "True PodCompleted",
          },
          containers: {
            main: { state: "terminated", reason: "Completed", exitCode: 0, ready: false, restarts: 0, started: false },
          },
        }),
      ],
    },
    {
      name: "Never: a container that fails makes the pod Failed",
      core: true,
      pod: once({ script: "exit 3" }),
      steps: [
        becomes({
          phase: "Failed",
          conditions: { Ready: "False PodFailed", ContainersReady: "False PodFailed" },
          containers: { main: { state: "terminated", reason: "Error", exitCode: 3, restarts: 0 } },
        }),
      ],
    },
    {
      name: "Never: one of two fails, and the pod has failed when both have ended",
      pod: podOf([{ script: "exit 1" }, { name: "other", script: "sleep 4" }], { restartPolicy: "Never" }),
      steps: [
        was({ phase: "Running", containers: { main: { exitCode: 1 }, other: { state: "running" } } }),
        becomes({ phase: "Failed", containers: { main: { exitCode: 1 }, other: { exitCode: 0 } } }),
      ],
    },
    {
      name: "Never: a container that goes on keeps the pod running",
      pod: podOf([{ script: "exit 1" }, { name: "other", script: SERVE }], { restartPolicy: "Never" }),
      steps: [
        becomes({
          phase: "Running",
          conditions: { Ready: "False ContainersNotReady" },
          containers: { main: { exitCode: 1 }, other: { state: "running", ready: true } },
        }),
      ],
    },
    {
      name: "OnFailure: success is the end",
      pod: { spec: { ...once({ script: "exit 0" }).spec, restartPolicy: "OnFailure" } },
      steps: [becomes({ phase: "Succeeded", containers: { main: { restarts: 0, exitCode: 0 } } })],
    },
    {
      name: "OnFailure: failure is tried again until it succeeds",
      pod: {
        spec: {
          ...once({
            script: "[ -e /v/again ] && exit 0; touch /v/again; exit 1",
            volumeMounts: [{ name: "v", mountPath: "/v" }],
          }).spec,
          restartPolicy: "OnFailure",
          volumes: [{ name: "v", emptyDir: {} }],
        },
      },
      steps: [becomes({ phase: "Succeeded", containers: { main: { restarts: 1, exitCode: 0, last: "Error 1" } } })],
    },
    {
      name: "Always: success is tried again, too",
      core: true,
      pod: podOf([{ script: "exit 0" }]),
      steps: [
        was({ phase: "Running", containers: { main: { restarts: 1 } } }),
        becomes({
          phase: "Running",
          containers: { main: { state: "waiting", reason: "CrashLoopBackOff", last: "Completed 0" } },
        }),
      ],
    },
    {
      name: "a container that crashes again waits in CrashLoopBackOff, and then runs again",
      core: true,
      pod: podOf([{ script: "exit 1" }]),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CrashLoopBackOff",
          message: /^back-off 10s restarting failed container=main pod=pod_pods-\d+\(\S+\)$/,
          restarts: 1,
          last: "Error 1",
        }),
        warning("BackOff", /^Back-off restarting failed container main in pod pod_pods-\d+\(\S+\)$/),
        containerBecomes({ reason: "CrashLoopBackOff", message: /^back-off 20s /, restarts: 2 }),
      ],
      timeoutSeconds: 90,
    },
    {
      name: "a running container that is killed comes back at once",
      core: true,
      pod: lasting(),
      steps: [
        isReady(),
        kills("SIGKILL"),
        containerBecomes({ state: "running", restarts: 1, last: "Error 137" }),
        isReady(),
        neverWas({ containers: { main: { reason: "CrashLoopBackOff" } } }),
      ],
    },
    {
      name: "only the container that died is restarted",
      pod: podOf([{ script: SERVE }, { name: "other", script: SERVE }]),
      steps: [
        isReady(),
        kills("SIGKILL"),
        becomes({ containers: { main: { restarts: 1, state: "running" }, other: { restarts: 0, state: "running" } } }),
        isReady(),
      ],
    },
    {
      name: "a restarted container has a new root file system",
      pod: lasting({ script: "[ -e /here ] && echo old || echo new; touch /here" }),
      steps: [isReady(), kills(), containerBecomes({ restarts: 1, state: "running" }), prints("new\n", { attempt: 1 })],
    },
    {
      name: "a container keeps its pod's address when it is restarted",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const before = run.recorded.object?.status?.podIP;
          await run.killContainer("main", "SIGKILL");
          await run.becomes({ containers: { main: { restarts: 1, state: "running" } } });
          const after = run.recorded.object?.status?.podIP;
          if (before !== after) throw new Error(`${before} became ${after}`);
        },
      ],
    },
    {
      name: "a command that is not there is a StartError",
      pod: once({ command: ["/bin/nothing"] }),
      steps: [
        becomes({
          phase: "Failed",
          containers: {
            main: { state: "terminated", reason: "StartError", exitCode: 128, message: /\/bin\/nothing.*no such file/ },
          },
        }),
        warning("Failed", /\/bin\/nothing/),
      ],
    },
    {
      name: "Always: a command that is not there waits as RunContainerError or in back-off",
      pod: podOf([{ command: ["/bin/nothing"] }]),
      steps: [
        was({ containers: { main: { state: "waiting", reason: "RunContainerError", message: /\/bin\/nothing/ } } }),
        containerBecomes({ state: "waiting", reason: "CrashLoopBackOff", last: "StartError 128" }),
        becomes({ phase: "Running" }),
      ],
    },
    {
      name: "who takes more memory than its limit is OOMKilled",
      core: true,
      pod: once({
        script: "dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 3; exit 1",
        resources: { limits: { memory: "16Mi" } },
      }),
      steps: [becomes({ phase: "Failed", containers: { main: { reason: "OOMKilled", exitCode: 1 } } })],
    },
    {
      name: "an end by signal is 128 and the signal",
      pod: once({ script: "sh -c 'kill -SEGV $$$$'; exit $?" }), // $$ is a $ for Kubernetes
      steps: [becomes({ phase: "Failed", containers: { main: { reason: "Error", exitCode: 139 } } })],
    },
    {
      name: "container restartPolicy Never holds it back in a pod that restarts",
      pod: podOf([
        { script: "exit 1", restartPolicy: "Never" },
        { name: "other", script: SERVE },
      ]),
      steps: [
        becomes({
          phase: "Running",
          containers: { main: { state: "terminated", exitCode: 1, restarts: 0 }, other: { state: "running" } },
        }),
        async (run) => {
          await run.killContainer("other", "SIGKILL");
          await run.becomes({
            containers: { other: { restarts: 1, state: "running" }, main: { restarts: 0, state: "terminated" } },
          });
        },
      ],
    },
    {
      name: "container restartPolicy Always restarts it in a pod that does not",
      pod: podOf(
        [
          { script: "exit 1", restartPolicy: "Always" },
          { name: "other", script: SERVE },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [becomes({ phase: "Running", containers: { main: { restarts: 1 }, other: { state: "running" } } })],
    },
    {
      name: "a restart rule restarts what ended with an exit code of its list",
      pod: podOf(
        [
          {
            script: "[ -e /v/again ] && exit 0; touch /v/again; exit 42",
            volumeMounts: [{ name: "v", mountPath: "/v" }],
            ...RULE,
          },
        ],
        { restartPolicy: "Never", volumes: [{ name: "v", emptyDir: {} }] },
      ),
      steps: [becomes({ phase: "Succeeded", containers: { main: { restarts: 1, last: "Error 42" } } })],
    },
    {
      name: "a restart rule leaves other exit codes to the policy",
      pod: podOf([{ script: "exit 7", ...RULE }], { restartPolicy: "Never" }),
      steps: [becomes({ phase: "Failed", containers: { main: { restarts: 0, exitCode: 7 } } })],
    },
    {
      name: "events tell of a pod's way",
      core: true,
      pod: lasting(),
      steps: [
        isReady(),
        event("Pulled", /^Container image "kedge\.local\/busybox:1" already present on machine/),
        event("Created", /^(Container created|Created container:? main)$/),
        event("Started", /^(Container started|Started container main)$/),
      ],
    },
    {
      name: "command, arguments and working directory",
      pod: once({ command: ["sh", "-c", 'pwd; echo "$0 $1"'], args: ["a", "b c"], workingDir: "/usr" }),
      steps: [succeeds(), prints("/usr\na b c\n")],
    },
    {
      name: "stdin without a writer is at its end, with stdin: true it stays open",
      pod: podOf([
        { script: "cat; echo end; sleep 3600" },
        { name: "other", script: "cat; echo end; sleep 3600", stdin: true },
      ]),
      steps: [
        isReady(),
        prints("end\n"),
        shows("ps | grep -c '[c]at$'", "1", "other"),
        prints("", { container: "other" }),
      ],
    },
    {
      name: "a container with a tty has one",
      pod: once({ script: "test -t 0 && test -t 1 && echo yes", stdin: true, tty: true }),
      steps: [succeeds(), prints(/^yes\r?\n$/)],
    },
    {
      name: "standard output and error are both in the log",
      pod: once({ script: "echo out; echo err >&2; printf 'no end'" }),
      steps: [succeeds(), prints(/^out\n/m), prints(/no end/), prints(/err\n/)],
    },
    {
      name: "each life of a container has its own log",
      pod: {
        spec: {
          ...once(
            container({
              script: "echo $(cat /v/n || echo 0); echo 1 > /v/n; exit 1",
              volumeMounts: [{ name: "v", mountPath: "/v" }],
            }),
          ).spec,
          restartPolicy: "OnFailure",
          volumes: [{ name: "v", emptyDir: {} }],
        },
      },
      steps: [prints(/0\n/, { attempt: 0 }), prints(/1\n/, { attempt: 1 })],
    },
  ],
};
