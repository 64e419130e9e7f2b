import assert from "node:assert/strict";
import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxImage } from "@kedge/cri";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd));
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(20_000);

test("runs a pod, reports it as a kubelet does, and ends it", options, async () => {
  const { meta, config } = edged;
  const applied = meta.apply(podOf("web", `echo hello; ${SERVE}`));
  const { status, metadata } = await meta.untilReady("web");
  assert.equal(status?.phase, "Running");
  assert.deepEqual(
    status?.conditions?.map(({ type, status: value }) => `${type}=${value}`),
    ["PodReadyToStartContainers=True", "Initialized=True", "Ready=True", "ContainersReady=True", "PodScheduled=True"],
  );
  assert.equal(status?.qosClass, "BestEffort");
  assert.equal(status?.hostIP, "192.0.2.10");
  assert.match(status?.podIP ?? "", /^10\./);
  assert.deepEqual(status?.podIPs, [{ ip: status?.podIP }]);
  const [container] = status?.containerStatuses ?? [];
  assert.equal(container?.ready && container.started, true);
  assert.equal(container?.restartCount, 0);

  const uid = metadata?.uid ?? "";
  const [sandbox] = await containerd.client.runtime.listPodSandboxes({ "io.kubernetes.pod.uid": uid }, signal());
  assert.deepEqual(sandbox?.labels, {
    app: "web",
    "io.kubernetes.pod.name": "web",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": uid,
  });
  const [listed] = await containerd.client.runtime.listContainers({ "io.kubernetes.pod.uid": uid }, signal());
  assert.equal(listed?.labels["io.kubernetes.container.name"], "app");
  assert.equal(listed?.annotations["io.kubernetes.container.restartCount"], "0");
  assert.equal(listed?.annotations["io.kubernetes.container.terminationMessagePath"], "/dev/termination-log");
  assert.equal(listed?.annotations["io.kubernetes.pod.terminationGracePeriod"], "2");

  const log = join(config.podLogsDirectory, `default_web_${uid}`, "app", "0.log");
  assert.match(await readFile(log, "utf8"), /^\S+ stdout F hello\n/);
  const [link = ""] = await readdir(config.containerLogsDirectory);
  assert.equal(link, `web_default_app-${listed?.id}.log`);
  assert.equal(await readlink(join(config.containerLogsDirectory, link)), log);

  meta.delete({ namespace: "default", name: "web" });
  await meta.untilGone("web");
  const last = meta.patches.findLast(({ key }) => key.name === "web");
  assert.match(last?.patch ?? "", /"phase":"Succeeded"/);
  await untilCleaned(uid);
  assert.deepEqual(await readdir(config.containerLogsDirectory), []);
  assert.equal(applied.metadata?.uid, uid);
  const reasons = meta.events.filter(({ involvedObject }) => involvedObject.uid === uid).map(({ reason }) => reason);
  assert.deepEqual(reasons, ["Pulled", "Created", "Started", "Killing"]);
});

test("a pod that ends is Succeeded or Failed, with what its containers said", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("good", "echo -n fine > /dev/termination-log", { restartPolicy: "Never" }));
  meta.apply(podOf("bad", "echo -n broken > /dev/termination-log; exit 7", { restartPolicy: "Never" }));
  const bad = podOf("chatty", "echo first; echo last words; exit 1", { restartPolicy: "Never" });
  const [container] = bad.spec?.containers ?? [];
  assert.ok(container);
  container.terminationMessagePolicy = "FallbackToLogsOnError";
  meta.apply(bad);

  const good = await meta.untilPhase("good", "Succeeded");
  const { terminated } = good.status?.containerStatuses?.[0]?.state ?? {};
  assert.deepEqual([terminated?.exitCode, terminated?.reason, terminated?.message], [0, "Completed", "fine"]);
  const ready = good.status?.conditions?.find(({ type }) => type === "Ready");
  assert.deepEqual([ready?.status, ready?.reason], ["False", "PodCompleted"]);
  const failed = await meta.untilPhase("bad", "Failed");
  const end = failed.status?.containerStatuses?.[0]?.state?.terminated;
  assert.deepEqual([end?.exitCode, end?.reason, end?.message], [7, "Error", "broken"]);
  const chatty = await meta.untilPhase("chatty", "Failed");
  assert.equal(chatty.status?.containerStatuses?.[0]?.state?.terminated?.message, "first\nlast words\n");
});

test("a crashing container restarts, then waits in CrashLoopBackOff", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("crash", "exit 3", { dnsPolicy: "ClusterFirst" }));
  const pod = await meta.until(() => {
    const { status } = meta.get("crash") ?? {};
    return status?.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff" ? status : undefined;
  });
  const [container] = pod.containerStatuses ?? [];
  const uid = meta.get("crash")?.metadata?.uid;
  assert.equal(container?.restartCount, 1);
  assert.equal(
    container?.state?.waiting?.message,
    `back-off 10s restarting failed container=app pod=crash_default(${uid})`,
  );
  assert.equal(container?.lastState?.terminated?.exitCode, 3);
  assert.equal(pod.phase, "Running");
  const told = meta.events.filter(
    ({ involvedObject, reason }) => involvedObject.uid === uid && reason === "MissingClusterDNS",
  );
  assert.equal(told.length, 1, "once for the sandbox, not again for each container in it");
  meta.delete({ namespace: "default", name: "crash" });
  await meta.untilGone("crash");
});

test("init containers run one after the other, before the others", options, async () => {
  const { meta } = edged;
  const volumeMounts = [{ name: "shared", mountPath: "/shared" }];
  const init = (name: string) => ({
    name,
    image: TEST_IMAGE,
    command: ["sh", "-c", `echo ${name} >> /shared/order`],
    volumeMounts,
  });
  const command = ["sh", "-c", "echo app >> /shared/order; cat /shared/order > /dev/termination-log"];
  const pod = podOf("ordered", "", {
    restartPolicy: "Never",
    initContainers: [init("one"), init("two")],
    containers: [{ name: "app", image: TEST_IMAGE, command, volumeMounts }],
    volumes: [{ name: "shared", emptyDir: {} }],
  });
  meta.apply(pod);
  const { status } = await meta.untilPhase("ordered", "Succeeded");
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, "one\ntwo\napp\n");
  assert.deepEqual(
    status?.initContainerStatuses?.map(({ name, ready }) => [name, ready]),
    [
      ["one", true],
      ["two", true],
    ],
  );
  assert.ok(meta.patches.some(({ patch }) => patch.includes("PodInitializing")));
});

test("an init container that fails for good fails the pod", options, async () => {
  const { meta } = edged;
  const initContainers = [{ name: "init", image: TEST_IMAGE, command: ["sh", "-c", "exit 4"] }];
  meta.apply(podOf("init-fails", "echo", { restartPolicy: "Never", initContainers }));
  const { status } = await meta.untilPhase("init-fails", "Failed");
  assert.equal(status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 4);
  assert.equal(status?.containerStatuses?.[0]?.state?.waiting?.reason, "PodInitializing");
});

test("a sidecar runs beside the others and does not keep the pod from completing", options, async () => {
  const { meta } = edged;
  const sidecar = { name: "side", image: TEST_IMAGE, command: ["sh", "-c", SERVE], restartPolicy: "Always" };
  meta.apply(podOf("with-sidecar", "sleep 1", { restartPolicy: "Never", initContainers: [sidecar] }));
  const running = await meta.untilReady("with-sidecar");
  assert.equal(running.status?.initContainerStatuses?.[0]?.started, true);
  const { status } = await meta.untilPhase("with-sidecar", "Succeeded");
  await meta.until(() => meta.get("with-sidecar")?.status?.initContainerStatuses?.[0]?.state?.terminated !== undefined);
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 0);
});

test("a changed image restarts the container in place, with a new count", options, async () => {
  const { meta } = edged;
  await containerd.importImages([await busyboxImage("kedge.local/busybox:2")]);
  const pod = meta.apply(podOf("update", SERVE));
  const before = await meta.untilReady("update");
  const changed = structuredClone(before);
  const [container] = changed.spec?.containers ?? [];
  assert.ok(container);
  container.image = "kedge.local/busybox:2";
  meta.apply(changed);
  const after = await meta.until(() => {
    const now = meta.get("update");
    return now?.status?.containerStatuses?.[0]?.restartCount === 1 && now.status.containerStatuses[0].ready
      ? now
      : undefined;
  });
  assert.equal(after.status?.podIP, before.status?.podIP);
  assert.equal(after.metadata?.uid, pod.metadata?.uid);
});

test("an image that is not here shows why, and with which reason", options, async () => {
  const { meta } = edged;
  const withImage = (name: string, image: string, imagePullPolicy: string) =>
    podOf(name, "", { containers: [{ name: "app", image, imagePullPolicy }] });
  const waiting = (name: string, reason: string) =>
    meta.until(() => {
      const state = meta.get(name)?.status?.containerStatuses?.[0]?.state?.waiting;
      return state?.reason === reason ? state : undefined;
    });
  meta.apply(withImage("never", "kedge.local/absent:1", "Never"));
  meta.apply(withImage("invalid", "Not An Image", "IfNotPresent"));
  meta.apply(withImage("absent", "127.0.0.1:1/absent:1", "IfNotPresent"));
  const never = await waiting("never", "ErrImageNeverPull");
  assert.equal(never.message, 'Container image "kedge.local/absent:1" is not present with pull policy of Never');
  await waiting("invalid", "InvalidImageName");
  const backoff = await waiting("absent", "ImagePullBackOff");
  assert.match(
    backoff.message ?? "",
    /^Back-off pulling image "127.0.0.1:1\/absent:1": ErrImagePull: .*failed to pull/,
  );
  assert.ok(
    meta.events.some(({ reason, message }) => reason === "Failed" && message?.startsWith("Failed to pull image")),
  );
  assert.equal(meta.get("absent")?.status?.phase, "Pending");
  for (const name of ["never", "invalid", "absent"]) {
    meta.delete({ namespace: "default", name });
    await meta.untilGone(name);
  }
});

test("a missing ConfigMap holds the container back until it is there", options, async () => {
  const { meta } = edged;
  const env = [{ name: "COLOR", valueFrom: { configMapKeyRef: { name: "later", key: "color" } } }];
  const command = ["sh", "-c", "echo -n $COLOR > /dev/termination-log"];
  meta.apply(
    podOf("config", "", { restartPolicy: "Never", containers: [{ name: "app", image: TEST_IMAGE, command, env }] }),
  );
  await meta.until(
    () => meta.get("config")?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerConfigError",
  );
  meta.setConfigMap({ metadata: { name: "later", namespace: "default" }, data: { color: "red" } });
  const { status } = await meta.untilPhase("config", "Succeeded");
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.message, "red");
});

test("a pod past its deadline fails, and its containers end", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("late", SERVE, { activeDeadlineSeconds: 2 }));
  const { status, metadata } = await meta.untilPhase("late", "Failed");
  assert.equal(status?.reason, "DeadlineExceeded");
  const containers = await containerd.client.runtime.listContainers(
    { "io.kubernetes.pod.uid": metadata?.uid ?? "" },
    signal(),
  );
  assert.ok(containers.every(({ state }) => state !== 1));
});

test("a second pod with the same host port is refused", options, async () => {
  const { meta } = edged;
  const ports = [{ containerPort: 80, hostPort: 18_080 }];
  const containers = [{ name: "app", image: TEST_IMAGE, command: ["sh", "-c", SERVE], ports }];
  meta.apply(podOf("port-a", "", { containers }));
  await meta.untilReady("port-a");
  meta.apply(podOf("port-b", "", { containers }));
  const { status } = await meta.untilPhase("port-b", "Failed");
  assert.equal(status?.reason, "NodePorts");
  meta.delete({ namespace: "default", name: "port-a" });
  await meta.untilGone("port-a");
});

test("starts 20 pods at once", options, async () => {
  const { meta } = edged;
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  for (const name of names) meta.apply(podOf(name, SERVE));
  await Promise.all(names.map((name) => meta.untilReady(name)));
  for (const name of names) meta.delete({ namespace: "default", name });
  await Promise.all(names.map((name) => meta.untilGone(name)));
});

async function untilCleaned(uid: string): Promise<void> {
  const { runtime } = containerd.client;
  const until = signal();
  for (;;) {
    const left = await runtime.listPodSandboxes({ "io.kubernetes.pod.uid": uid }, until);
    const directories = await readdir(edged.config.podLogsDirectory);
    if (left.length === 0 && !directories.some((name) => name.endsWith(uid))) return;
  }
}
