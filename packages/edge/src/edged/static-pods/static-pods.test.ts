import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cloneJson, type Pod } from "@kedge/kube";
import { makeStaticPod, staticPodUid } from "./make-static-pod.ts";
import { parseStaticPod, STATIC_POD_BYTES_MAX } from "./parse-static-pod.ts";
import { planMirror } from "./plan-mirror.ts";
import { isCopyOf } from "./same-pod.ts";

const GOOD = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {note: here}, finalizers: [held]}
spec:
  hostNetwork: true
  containers:
    - name: app
      image: nginx
      ports: [{containerPort: 80}]
      resources: {limits: {cpu: 0.5, memory: 64Mi}}
`;

describe("parseStaticPod", () => {
  test("fills in what an API server would, and leaves out what is not the file's to say", () => {
    const { metadata, spec } = parseStaticPod(GOOD);
    assert.deepEqual(metadata, {
      name: "web",
      namespace: "default",
      labels: { app: "web" },
      annotations: { note: "here" },
    });
    const [container] = spec?.containers ?? [];
    assert.equal(container?.imagePullPolicy, "Always");
    assert.deepEqual(container?.ports, [{ containerPort: 80, hostPort: 80 }]);
    assert.deepEqual(container?.resources?.requests, { cpu: "0.5", memory: "64Mi" });
    assert.equal(spec?.restartPolicy, "Always");
    assert.equal(spec?.terminationGracePeriodSeconds, 30);
    assert.equal(spec?.enableServiceLinks, true);
  });

  test("takes JSON", () => {
    const json = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a" },
      spec: { containers: [{ name: "a", image: "a" }] },
    };
    assert.equal(parseStaticPod(JSON.stringify(json)).metadata?.name, "a");
  });

  const change = (from: string, to: string) => GOOD.replace(from, to);
  const bad = [
    { name: "no YAML", text: "a: [", error: /neither YAML nor JSON/ },
    {
      name: "a bomb of aliases",
      text: "a: &a [1,2]\n" + "b: *a\n".repeat(300),
      error: /neither YAML nor JSON|no valid pod/,
    },
    { name: "nothing", text: "", error: /no object/ },
    { name: "too much", text: "#".repeat(STATIC_POD_BYTES_MAX + 1), error: /larger than/ },
    { name: "another kind", text: change("kind: Pod", "kind: Deployment"), error: /"v1" "Deployment", not v1 Pod/ },
    { name: "a name that leads elsewhere", text: change("name: web", "name: ../web"), error: /metadata\.name/ },
    {
      name: "a namespace that leads elsewhere",
      text: change("name: web", "name: web, namespace: a/b"),
      error: /metadata\.namespace/,
    },
    {
      name: "a uid that leads elsewhere",
      text: change("name: web", "name: web, uid: ../../etc"),
      error: /metadata\.uid/,
    },
    {
      name: "no container",
      text: change(/containers:[^]*/.exec(GOOD)?.[0] ?? "", "containers: []"),
      error: /spec\.containers is empty/,
    },
    { name: "no image", text: change("image: nginx", "x: y"), error: /containers\[0\]\.image is missing/ },
    { name: "a wrong quantity", text: change("64Mi", "64Megs"), error: /memory "64Megs"/ },
    {
      name: "a number where text is needed",
      text: change("image: nginx", "image: nginx\n      env: [{name: A, value: 5}]"),
      error: /text \(in quotes\)/,
    },
    {
      name: "a number as argument",
      text: change("image: nginx", "image: nginx\n      args: [5]"),
      error: /args must be a list of texts/,
    },
    {
      name: "a restart policy that there is not",
      text: change("hostNetwork: true", "restartPolicy: Sometimes"),
      error: /restartPolicy "Sometimes"/,
    },
    {
      name: "a service account",
      text: change("hostNetwork: true", "serviceAccountName: a"),
      error: /may not reference .* serviceAccountName/,
    },
    {
      name: "a Secret in a volume",
      text: change("hostNetwork: true", "volumes: [{name: v, secret: {secretName: s}}]"),
      error: /a secret volume/,
    },
    {
      name: "a token in a volume",
      text: change(
        "hostNetwork: true",
        "volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]",
      ),
      error: /a projected volume/,
    },
    {
      name: "a ConfigMap in a variable",
      text: change("image: nginx", "image: nginx\n      envFrom: [{configMapRef: {name: c}}]"),
      error: /envFrom/,
    },
  ];
  for (const { name, text, error } of bad)
    test(`refuses ${name}`, () => assert.throws(() => parseStaticPod(text), error));
});

describe("makeStaticPod", () => {
  test("names it after the node, and lets it stay", () => {
    const pod = makeStaticPod(parseStaticPod(GOOD), "0123", "Edge-1", "2026-01-01T00:00:00Z");
    assert.equal(pod.metadata?.name, "web-edge-1");
    assert.equal(pod.metadata.uid, "0123");
    assert.equal(pod.spec?.nodeName, "Edge-1");
    assert.equal(pod.metadata.annotations?.["kubernetes.io/config.hash"], "0123");
    assert.deepEqual(pod.spec.tolerations, [{ operator: "Exists", effect: "NoExecute" }]);
    assert.equal(makeStaticPod(pod, "0123", "Edge-1", "").spec?.tolerations?.length, 1);
  });

  test("another content, node or file is another pod", () => {
    const pod = parseStaticPod(GOOD);
    const other = parseStaticPod(GOOD.replace("nginx", "nginx:2"));
    const uids = [
      staticPodUid(pod, "a", "/f"),
      staticPodUid(other, "a", "/f"),
      staticPodUid(pod, "b", "/f"),
      staticPodUid(pod, "a", "/g"),
    ];
    assert.equal(new Set(uids).size, 4);
    assert.equal(staticPodUid(parseStaticPod(GOOD), "a", "/f"), uids[0]);
  });
});

test("a copy that passed an API server is still known as one, and one of another content is not", () => {
  const pod = makeStaticPod(parseStaticPod(GOOD), "0123", "edge-1", "2026-01-01T00:00:00Z");
  const mirror: Pod = cloneJson(pod);
  mirror.metadata = {
    ...mirror.metadata,
    uid: "of-the-api",
    resourceVersion: "7",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  Object.assign(mirror.spec ?? {}, { priority: 0, preemptionPolicy: "PreemptLowerPriority", securityContext: {} });
  const [container] = mirror.spec?.containers ?? [];
  assert.ok(container !== undefined);
  container.resources = { limits: { cpu: "500m", memory: "64Mi" }, requests: { cpu: "500m", memory: "64Mi" } };
  Object.assign(mirror, { status: { phase: "Running" } });
  assert.equal(isCopyOf(mirror, pod), true);
  container.resources.limits = { cpu: "501m", memory: "64Mi" };
  assert.equal(isCopyOf(mirror, pod), false);
  container.resources.limits = { cpu: "500m", memory: "64Mi" };
  container.securityContext = { allowPrivilegeEscalation: false };
  assert.equal(isCopyOf(mirror, pod), false);
});

describe("planMirror", () => {
  const wanted: Pod = { metadata: { name: "a", uid: "new" } };
  const mirror = (hash: string, deletionTimestamp?: string): Pod => ({
    metadata: {
      annotations: { "kubernetes.io/config.mirror": hash },
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
  });
  const cases: readonly {
    name: string;
    wanted: Pod | undefined;
    mirror: Pod | undefined;
    runs: string[];
    plan: string;
  }[] = [
    { name: "makes one that is missing", wanted, mirror: undefined, runs: [], plan: "create" },
    { name: "keeps the right one", wanted, mirror: mirror("new"), runs: ["new"], plan: "none" },
    {
      name: "lets one go that somebody deleted",
      wanted,
      mirror: mirror("new", "2026-01-01T00:00:00Z"),
      runs: ["new"],
      plan: "delete",
    },
    { name: "keeps one of the past while its pod runs", wanted, mirror: mirror("old"), runs: ["old"], plan: "none" },
    { name: "removes one of the past", wanted, mirror: mirror("old"), runs: [], plan: "delete" },
    {
      name: "keeps one without a file while its pod runs",
      wanted: undefined,
      mirror: mirror("old"),
      runs: ["old"],
      plan: "none",
    },
    { name: "removes one without a file", wanted: undefined, mirror: mirror("old"), runs: [], plan: "delete" },
    { name: "does nothing where nothing is", wanted: undefined, mirror: undefined, runs: [], plan: "none" },
  ];
  for (const { name, wanted: pod, mirror: copy, runs, plan } of cases)
    test(name, () =>
      assert.equal(
        planMirror(pod, copy, (uid) => runs.includes(uid)),
        plan,
      ),
    );
});
