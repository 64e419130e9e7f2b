import type { Exchange } from "./exchanges.ts";

const NS = "/api/v1/namespaces/pod-parts";
const STRATEGIC = "application/strategic-merge-patch+json";

const of = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p" },
  spec: {
    serviceAccountName: "robot",
    automountServiceAccountToken: false,
    containers: [
      { name: "a", image: "nginx:1", resources: { requests: { cpu: "100m", memory: "32Mi" } } },
      { name: "b", image: "nginx:1" },
    ],
  },
};

const resize = (name: string, containers: object[], more: Partial<Exchange> = {}): Exchange => ({
  name: `resize: ${name}`,
  method: "PATCH",
  path: `${NS}/pods/p/resize`,
  contentType: STRATEGIC,
  body: { spec: { containers } },
  ...more,
});

const debug = (name: string, containers: object[], more: Partial<Exchange> = {}): Exchange => ({
  name: `debug: ${name}`,
  method: "PATCH",
  path: `${NS}/pods/p/ephemeralcontainers`,
  contentType: STRATEGIC,
  body: { spec: { ephemeralContainers: containers } },
  ...more,
});

const classed = (name: string, spec: object) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { ...pod.spec, ...spec },
});

/** Parts of a running pod that have subresources of their own. */
export const POD_EXCHANGES: readonly Exchange[] = [
  {
    name: "a namespace for pods",
    method: "POST",
    path: "/api/v1/namespaces",
    body: { metadata: { name: "pod-parts" } },
  },
  { name: "its service account", method: "POST", path: `${NS}/serviceaccounts`, body: { metadata: { name: "robot" } } },
  { name: "a pod with resources", method: "POST", path: `${NS}/pods`, body: pod },
  resize("more of both", [{ name: "a", resources: { requests: { cpu: "200m", memory: "64Mi" } } }]),
  resize("a limit comes", [{ name: "a", resources: { limits: { cpu: "300m" } } }]),
  resize("a request above its limit", [{ name: "a", resources: { requests: { cpu: "2" } } }]),
  resize("a request is removed", [{ name: "a", resources: { requests: { memory: null } } }]),
  resize("another resource", [{ name: "a", resources: { requests: { "ephemeral-storage": "1Gi" } } }], {
    statusOnly: true,
  }),
  resize("another class", [
    { name: "a", resources: of("1", "1Gi") },
    { name: "b", resources: of("1", "1Gi") },
  ]),
  resize("an image", [{ name: "a", image: "other:1" }], { statusOnly: true }),
  resize("a container that is not there", [{ name: "c", image: "x", resources: of("1", "1Gi") }], { statusOnly: true }),
  resize("no quantity", [{ name: "a", resources: { requests: { cpu: "-1" } } }], { statusOnly: true }),
  {
    name: "resize is for what runs: the spec itself stays",
    method: "PATCH",
    path: `${NS}/pods/p`,
    contentType: STRATEGIC,
    body: { spec: { containers: [{ name: "a", resources: { requests: { cpu: "1" } } }] } },
    statusOnly: true,
  },
  debug("one comes", [{ name: "look", image: "busybox", targetContainerName: "a" }]),
  debug("another one comes", [{ name: "look2", image: "busybox:1", stdin: true, tty: true }]),
  debug("it cannot be changed", [{ name: "look", image: "other" }], { statusOnly: true }),
  debug("nor removed", [{ name: "look", $patch: "delete" }], { statusOnly: true }),
  debug("a name that is taken", [{ name: "a", image: "busybox" }]),
  debug("a bad name", [{ name: "A_b", image: "busybox" }]),
  debug("no image", [{ name: "noimage" }]),
  debug("an unknown target", [{ name: "lost", image: "busybox", targetContainerName: "nobody" }]),
  debug("with ports", [{ name: "ports", image: "busybox", ports: [{ containerPort: 80 }] }], { statusOnly: true }),
  debug("with a probe", [{ name: "probe", image: "busybox", livenessProbe: { exec: { command: ["a"] } } }], {
    statusOnly: true,
  }),
  debug("with resources", [{ name: "res", image: "busybox", resources: of("1", "1Gi") }], { statusOnly: true }),
  {
    name: "a runtime class",
    method: "POST",
    path: "/apis/node.k8s.io/v1/runtimeclasses",
    body: {
      metadata: { name: "sandboxed" },
      handler: "runsc",
      overhead: { podFixed: { cpu: "250m", memory: "64Mi" } },
      scheduling: {
        nodeSelector: { sandboxed: "yes" },
        tolerations: [{ key: "sandboxed", operator: "Exists", effect: "NoSchedule" }],
      },
    },
  },
  {
    name: "a pod of it",
    method: "POST",
    path: `${NS}/pods`,
    body: classed("of-class", { runtimeClassName: "sandboxed", nodeSelector: { a: "b" } }),
  },
  {
    name: "a pod of none that there is",
    method: "POST",
    path: `${NS}/pods`,
    body: classed("no-class", { runtimeClassName: "nope" }),
  },
  {
    name: "a pod with another overhead",
    method: "POST",
    path: `${NS}/pods`,
    body: classed("over", { runtimeClassName: "sandboxed", overhead: { cpu: "1" } }),
  },
  {
    name: "a pod with an overhead of its own",
    method: "POST",
    path: `${NS}/pods`,
    body: classed("own", { overhead: { cpu: "1" } }),
  },
  {
    name: "a pod for other nodes",
    method: "POST",
    path: `${NS}/pods`,
    body: classed("other", { runtimeClassName: "sandboxed", nodeSelector: { sandboxed: "no" } }),
  },
  { name: "the pod after all that", method: "GET", path: `${NS}/pods/p` },
];
