import type { Probe } from "@kedge/kube";
import type { PodTheme } from "../pod-case.ts";
import { container, lasting, podOf, SERVE } from "../pods.ts";
import {
  becomes,
  changesPod,
  containerBecomes,
  event,
  isReady,
  neverWas,
  noEvent,
  prints,
  runs,
  was,
  warning,
} from "../steps.ts";

const exec = (script: string, rest: Probe = {}): Probe => ({
  exec: { command: ["sh", "-c", script] },
  periodSeconds: 1,
  ...rest,
});
const notReady = becomes({
  phase: "Running",
  conditions: { Ready: "False ContainersNotReady", ContainersReady: "False ContainersNotReady" },
  containers: { main: { ready: false, state: "running" } },
});
/** Files below `/www` on port 8080. */
const WEB = "mkdir /www; echo ok > /www/ok; httpd -p 8080 -h /www";

export const PROBES: PodTheme = {
  name: "probes",
  cases: [
    {
      name: "a container is ready while its readiness probe succeeds",
      core: true,
      pod: lasting({ readinessProbe: exec("test -e /tmp/ok") }),
      steps: [
        notReady,
        warning("Unhealthy", /^Readiness probe failed: /),
        runs("touch /tmp/ok"),
        isReady(),
        runs("rm /tmp/ok"),
        notReady,
        containerBecomes({ restarts: 0 }),
      ],
    },
    {
      name: "failureThreshold and successThreshold count in a row",
      pod: lasting({
        readinessProbe: exec("echo x >> /tmp/n; [ $(wc -l < /tmp/n) -ge 2 ]", {
          successThreshold: 3,
          failureThreshold: 2,
        }),
      }),
      steps: [isReady(), runs("[ $(wc -l < /tmp/n) -ge 4 ]")],
    },
    {
      name: "a probe waits for its initial delay",
      pod: lasting({ readinessProbe: exec("true", { initialDelaySeconds: 5 }) }),
      steps: [
        isReady(),
        async (run) => {
          const { containerStatuses = [], conditions = [] } = run.recorded.object?.status ?? {};
          const started = Date.parse(String(containerStatuses[0]?.state?.running?.startedAt));
          const ready = Date.parse(String(conditions.find(({ type }) => type === "Ready")?.lastTransitionTime));
          if (ready - started < 4_000) throw new Error(`ready after ${ready - started} ms`);
        },
      ],
    },
    {
      name: "httpGet succeeds with 200",
      core: true,
      pod: lasting({ script: WEB, readinessProbe: { httpGet: { port: 8080, path: "/ok" }, periodSeconds: 1 } }),
      steps: [isReady()],
    },
    {
      name: "httpGet fails with 404, and the event says so",
      pod: lasting({ script: WEB, readinessProbe: { httpGet: { port: 8080, path: "/none" }, periodSeconds: 1 } }),
      steps: [warning("Unhealthy", /^Readiness probe failed: HTTP probe failed with statuscode: 404/), notReady],
    },
    {
      name: "httpGet finds a port by its name",
      pod: lasting({
        script: WEB,
        ports: [{ name: "web", containerPort: 8080 }],
        readinessProbe: { httpGet: { port: "web", path: "/ok" }, periodSeconds: 1 },
      }),
      steps: [isReady()],
    },
    {
      name: "httpGet sends the headers asked for, and says who asks",
      pod: lasting({
        script: "(while :; do nc -l -p 8080 > /tmp/request < /dev/null; done) &",
        readinessProbe: {
          httpGet: { port: 8080, path: "/x?y=1", httpHeaders: [{ name: "X-Colour", value: "red" }] },
          periodSeconds: 1,
        },
      }),
      steps: [
        warning("Unhealthy"),
        runs(
          "until grep -q '^GET /x?y=1 HTTP/1.1' /tmp/request && grep -qi '^X-Colour: red' /tmp/request && grep -qi '^User-Agent: kube-probe/' /tmp/request; do sleep 0.1; done",
        ),
      ],
    },
    {
      name: "tcpSocket succeeds when somebody listens",
      pod: lasting({ script: WEB, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }),
      steps: [isReady()],
    },
    {
      name: "tcpSocket fails when nobody listens",
      pod: lasting({ readinessProbe: { tcpSocket: { port: 8081 }, periodSeconds: 1 } }),
      steps: [
        warning("Unhealthy", /^Readiness probe failed: dial tcp \S+:8081: connect: connection refused/),
        notReady,
      ],
    },
    {
      name: "grpc fails when nobody listens",
      pod: lasting({ readinessProbe: { grpc: { port: 8081 }, periodSeconds: 1 } }),
      steps: [
        warning("Unhealthy", /^Readiness probe failed: timeout: failed to connect service .*:8081" within 1s/),
        notReady,
      ],
    },
    {
      name: "a probe that takes too long fails",
      pod: lasting({ readinessProbe: exec("sleep 30", { timeoutSeconds: 1 }) }),
      steps: [warning("Unhealthy", /^Readiness probe failed: command timed out: .* timed out after 1s/), notReady],
    },
    {
      name: "a container whose liveness probe fails is restarted",
      core: true,
      pod: lasting({ script: "touch /tmp/ok", livenessProbe: exec("test -e /tmp/ok", { failureThreshold: 2 }) }),
      steps: [
        isReady(),
        runs("rm /tmp/ok"),
        warning("Unhealthy", /^Liveness probe failed: /),
        event("Killing", /^Container main failed liveness probe, will be restarted$/),
        containerBecomes({ state: "running", restarts: 1, last: "Completed 0" }),
        isReady(),
      ],
    },
    {
      name: "a liveness probe may have a shorter grace period than the pod",
      pod: {
        spec: {
          ...lasting({}).spec,
          terminationGracePeriodSeconds: 60,
          containers: [
            container({
              script: "trap '' TERM; while :; do sleep 1; done",
              livenessProbe: exec("false", { failureThreshold: 1, terminationGracePeriodSeconds: 1 }),
            }),
          ],
        },
      },
      steps: [was({ containers: { main: { restarts: 1, last: "Error 137" } } }), async (run) => run.delete(0)],
    },
    {
      name: "liveness by httpGet restarts a container that answers with 404",
      pod: lasting({
        script: WEB,
        livenessProbe: { httpGet: { port: 8080, path: "/ok" }, periodSeconds: 1, failureThreshold: 1 },
      }),
      steps: [
        isReady(),
        runs("rm /www/ok"),
        warning("Unhealthy", /^Liveness probe failed: HTTP probe failed with statuscode: 404/),
        was({ containers: { main: { restarts: 1 } } }),
      ],
    },
    {
      name: "with restartPolicy Never a failing liveness probe ends the pod",
      pod: {
        spec: {
          ...lasting({}).spec,
          restartPolicy: "Never",
          containers: [
            container({
              script: "trap 'exit 3' TERM; while :; do sleep 1 & wait $!; done",
              livenessProbe: exec("false", { failureThreshold: 1 }),
            }),
          ],
        },
      },
      steps: [becomes({ phase: "Failed", containers: { main: { state: "terminated", exitCode: 3, restarts: 0 } } })],
    },
    {
      name: "other probes wait for the startup probe",
      core: true,
      pod: lasting({
        startupProbe: exec("test -e /tmp/up", { failureThreshold: 100 }),
        livenessProbe: exec("test -e /tmp/up", { failureThreshold: 1 }),
        readinessProbe: exec("test -e /tmp/ready"),
      }),
      steps: [
        warning("Unhealthy", /^Startup probe failed: /),
        containerBecomes({ state: "running", started: false, ready: false }),
        runs("touch /tmp/up"),
        containerBecomes({ started: true, ready: false }),
        runs("touch /tmp/ready"),
        isReady(),
        containerBecomes({ restarts: 0 }),
      ],
    },
    {
      name: "a container that does not start up in time is restarted",
      pod: lasting({ startupProbe: exec("false", { failureThreshold: 2 }) }),
      steps: [
        event("Killing", /^Container main failed startup probe, will be restarted$/),
        was({ containers: { main: { restarts: 1, started: false } } }),
        neverWas({ containers: { main: { started: true } } }),
      ],
    },
    {
      name: "without a startup probe a running container has started",
      pod: lasting(),
      steps: [isReady(), containerBecomes({ started: true })],
    },
    {
      name: "a restarted container is not ready until its probe succeeds again",
      pod: lasting({
        readinessProbe: exec("test -e /tmp/ok"),
        livenessProbe: exec("! test -e /tmp/bad", { failureThreshold: 1 }),
      }),
      steps: [
        containerBecomes({ state: "running" }),
        runs("touch /tmp/ok"),
        isReady(),
        runs("touch /tmp/bad"),
        becomes({
          conditions: { Ready: "False ContainersNotReady" },
          containers: { main: { restarts: 1, state: "running", ready: false } },
        }),
        runs("touch /tmp/ok"),
        isReady(),
      ],
    },
    {
      name: "a pod is ready when all its containers are",
      pod: podOf([{ script: SERVE }, { name: "other", script: SERVE, readinessProbe: exec("test -e /tmp/ok") }]),
      steps: [
        becomes({
          containers: { main: { ready: true }, other: { ready: false, state: "running" } },
          conditions: { Ready: "False ContainersNotReady" },
        }),
        runs("touch /tmp/ok", "other"),
        isReady(),
      ],
    },
    {
      name: "a readiness gate holds the pod back until somebody sets its condition",
      core: true,
      pod: lasting({}, { readinessGates: [{ conditionType: "example.com/traffic" }] }),
      steps: [
        becomes({ conditions: { ContainersReady: "True", Ready: "False ReadinessGatesNotReady" } }),
        changesPod({ status: { conditions: [{ type: "example.com/traffic", status: "True" }] } }, "status"),
        isReady(),
        becomes({ conditions: { "example.com/traffic": "True" } }),
        changesPod({ status: { conditions: [{ type: "example.com/traffic", status: "False" }] } }, "status"),
        becomes({ conditions: { Ready: "False ReadinessGatesNotReady" } }),
      ],
    },
    {
      name: "what a probe prints is in the event",
      pod: lasting({ readinessProbe: exec("echo sorry, not yet; exit 1") }),
      steps: [warning("Unhealthy", /^Readiness probe failed: sorry, not yet/)],
    },
    {
      name: "a probe that succeeds is not told of",
      pod: lasting({ readinessProbe: exec("true"), livenessProbe: exec("true") }),
      steps: [isReady(), noEvent("Unhealthy"), prints("")],
    },
  ],
};
