import assert from "node:assert/strict";
import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Container, Lifecycle, Pod, PodSpec } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;
/** On the host; containers see it as /host. */
let shared: string;

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd));
  shared = await mkdtemp(join(containerd.root, "shared-"));
});
after(() => scope.disposeAsync());

const volumeMounts = [{ name: "host", mountPath: "/host" }];

function app(script: string, lifecycle: Lifecycle = {}, facts: Partial<Container> = {}): Container {
  return { name: "app", image: TEST_IMAGE, command: ["sh", "-c", script], volumeMounts, lifecycle, ...facts };
}

function hooked(name: string, containers: Container[], spec: Partial<PodSpec> = {}): Pod {
  return podOf(name, "", { containers, volumes: [{ name: "host", hostPath: { path: shared } }], ...spec });
}

/** Runs until told to end, and notes that it did. */
const noting = (file: string, word: string) =>
  `trap 'echo ${word} >> /host/${file}; exit 0' TERM; while :; do sleep 3600 & wait; done`;
const exec = (script: string) => ({ exec: { command: ["sh", "-c", script] } });
const noted = async (file: string) => (await readFile(join(shared, file), "utf8")).trim().split("\n");
const key = (name: string) => ({ namespace: "default", name });

function eventsOf(name: string, reason: string): string[] {
  return edged.meta.events
    .filter((event) => event.involvedObject.name === name && event.reason === reason)
    .map(({ message = "" }) => message);
}

test("postStart is over before the container counts as running", options, async () => {
  const { meta } = edged;
  meta.apply(hooked("post", [app(SERVE, { postStart: exec("sleep 1; echo started >> /host/post") })]));
  await meta.untilReady("post");
  assert.deepEqual(await noted("post"), ["started"]);
});

test("a failed postStart hook ends the container, and says why", options, async () => {
  const { meta } = edged;
  meta.apply(hooked("post-fails", [app(SERVE, { postStart: exec("echo secret; exit 3") })]));
  const waiting = await meta.until(() => {
    const state = meta.get("post-fails")?.status?.containerStatuses?.[0]?.state?.waiting;
    return state?.reason === "PostStartHookError" ? state : undefined;
  });
  assert.match(
    waiting.message ?? "",
    /^Exec lifecycle hook \(\[sh -c echo secret; exit 3\]\) for Container "app" in Pod "post-fails_default\(.*\)" failed - error: command 'sh -c echo secret; exit 3' exited with 3: , message: "secret\\n"$/,
  );
  assert.deepEqual(eventsOf("post-fails", "FailedPostStartHook").slice(0, 1), ["PostStartHook failed"]);
  assert.ok(eventsOf("post-fails", "Killing").includes("FailedPostStartHook"));
  await meta.until(
    () => meta.get("post-fails")?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff",
  );
  meta.delete(key("post-fails"), 1);
  await meta.untilGone("post-fails");
});

test("hooks over HTTP reach the pod, and sleep sleeps", options, async () => {
  const { meta } = edged;
  const web = `mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho got >> /host/http; printf "Content-Type: text/plain\\n\\n"' > /www/cgi-bin/x; chmod +x /www/cgi-bin/x; httpd -p 8080 -h /www; ${SERVE}`;
  const preStop = { httpGet: { path: "/cgi-bin/x", port: "web" } };
  const ports = [{ name: "web", containerPort: 8080 }];
  meta.apply(hooked("http", [app(web, { postStart: { sleep: { seconds: 1 } }, preStop }, { ports })]));
  await meta.untilReady("http");
  meta.delete(key("http"), 10);
  await meta.untilGone("http");
  assert.deepEqual(await noted("http"), ["got"]);
  assert.deepEqual(eventsOf("http", "FailedPreStopHook"), []);
});

test("preStop runs before the container is told to end; one that fails is told of", options, async () => {
  const { meta } = edged;
  const preStop = exec("echo hook >> /host/pre; exit 1");
  meta.apply(hooked("pre", [app(noting("pre", "term"), { preStop })]));
  await meta.untilReady("pre");
  meta.delete(key("pre"), 10);
  await meta.untilGone("pre");
  assert.deepEqual(await noted("pre"), ["hook", "term"]);
  assert.deepEqual(eventsOf("pre", "FailedPreStopHook"), ["PreStopHook failed"]);
});

test("a preStop hook has the grace period and no more; the container still hears that it ends", options, async () => {
  const { meta } = edged;
  const preStop = exec("echo hook >> /host/long; sleep 3600");
  meta.apply(hooked("long", [app(noting("long", "term"), { preStop })]));
  await meta.untilReady("long");
  const beganMs = performance.now();
  meta.delete(key("long"), 2);
  await meta.untilGone("long");
  assert.ok(performance.now() - beganMs < 10_000);
  assert.deepEqual(await noted("long"), ["hook", "term"]);
  assert.deepEqual(eventsOf("long", "FailedPreStopHook"), ["PreStopHook failed"]);
});

test("a grace period that is cut short cuts the hook short, too, and runs it only once", options, async () => {
  const { meta } = edged;
  const preStop = exec("echo hook >> /host/cut; sleep 3600");
  meta.apply(hooked("cut", [app(noting("cut", "term"), { preStop })], { terminationGracePeriodSeconds: 3600 }));
  await meta.untilReady("cut");
  meta.delete(key("cut"), 3600);
  for (;;) if ((await noted("cut").catch((): string[] => [])).includes("hook")) break;
  meta.delete(key("cut"), 1);
  await meta.untilGone("cut");
  assert.deepEqual(await noted("cut"), ["hook", "term"]);
});

test("a pod whose object is gone gets its hook from what is written on the container", options, async () => {
  const { meta } = edged;
  meta.apply(hooked("orphan", [app(noting("orphan", "term"), { preStop: exec("echo hook >> /host/orphan") })]));
  await meta.untilReady("orphan");
  await edged.stop();
  meta.remove(key("orphan"));
  await edged.restart();
  for (;;) if ((await noted("orphan").catch((): string[] => [])).includes("term")) break;
  assert.deepEqual(await noted("orphan"), ["hook", "term"]);
});

test("sidecars end after whom they serve, the last one first, in what is left of the time", options, async () => {
  const { meta } = edged;
  const sidecar = (name: string) => ({ ...app(noting("order", name)), name, restartPolicy: "Always" });
  const main = app("trap 'sleep 1; echo app >> /host/order; exit 0' TERM; while :; do sleep 3600 & wait; done");
  meta.apply(hooked("order", [main], { initContainers: [sidecar("one"), sidecar("two")] }));
  await meta.untilReady("order");
  meta.delete(key("order"), 20);
  await meta.untilGone("order");
  assert.deepEqual(await noted("order"), ["app", "two", "one"]);

  const stubborn = { ...main, command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"] };
  meta.apply(hooked("stubborn", [stubborn], { initContainers: [sidecar("three")] }));
  await meta.untilReady("stubborn");
  const beganMs = performance.now();
  meta.delete(key("stubborn"), 2);
  await meta.untilGone("stubborn");
  assert.ok(performance.now() - beganMs < 10_000);
});

test("a pod that shall end does not wait for a postStart hook that hangs", options, async () => {
  const { meta } = edged;
  meta.apply(hooked("hangs", [app(SERVE, { postStart: exec("echo hangs >> /host/hangs; sleep 3600") })]));
  for (;;) if ((await noted("hangs").catch((): string[] => [])).length > 0) break;
  meta.delete(key("hangs"), 1);
  await meta.untilGone("hangs");
});
