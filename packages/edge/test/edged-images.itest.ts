import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { busyboxImage } from "@kedge/cri";
import type { Pod, Secret } from "@kedge/kube";
import { TestContainerd, TestRegistry } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;

before(async () => {
  if (skip === false) containerd = scope.use(await TestContainerd.start());
});
after(() => scope.disposeAsync());

function podWith(name: string, image: string, imagePullPolicy: string, secret?: string): Pod {
  return podOf(name, "", {
    containers: [{ name: "app", image, imagePullPolicy, command: ["sh", "-c", SERVE] }],
    ...(secret !== undefined && { imagePullSecrets: [{ name: secret }] }),
  });
}

function pullSecret(name: string, host: string, credentials: string): Secret {
  const auths = { [host]: { auth: Buffer.from(credentials).toString("base64") } };
  const json = Buffer.from(JSON.stringify({ auths })).toString("base64");
  return {
    metadata: { name, namespace: "default" },
    type: "kubernetes.io/dockerconfigjson",
    data: { ".dockerconfigjson": json },
  };
}

const waiting = ({ meta }: TestEdged, name: string, ...reasons: string[]) =>
  meta.until(() => {
    const state = meta.get(name)?.status?.containerStatuses?.[0]?.state?.waiting;
    return state?.reason !== undefined && reasons.includes(state.reason) ? state : undefined;
  });

test("pulls with the pod's own secret, and not with a wrong one", options, async () => {
  await using registry = await TestRegistry.start({ credentials: "user:right" });
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const image = registry.push("team/app:1", await busyboxImage(""));
  meta.secrets.set("default/right", pullSecret("right", registry.host, "user:right"));
  meta.secrets.set("default/wrong", pullSecret("wrong", registry.host, "user:wrong"));

  meta.apply(podWith("missing", image, "IfNotPresent", "none"));
  await meta.until(() => meta.events.some(({ reason }) => reason === "FailedToRetrieveImagePullSecret"));
  meta.apply(podWith("refused", image, "IfNotPresent", "wrong"));
  await waiting(edged, "refused", "ErrImagePull", "ImagePullBackOff");
  assert.ok(registry.refused > 0);
  meta.apply(podWith("welcome", image, "IfNotPresent", "right"));
  const { status } = await meta.untilReady("welcome");
  assert.match(status?.containerStatuses?.[0]?.imageID ?? "", /team\/app@sha256:/);
  const pulled = meta.events.find(
    ({ reason, message }) => reason === "Pulled" && message?.startsWith("Successfully pulled"),
  );
  assert.match(pulled?.message ?? "", /Image size: \d+ bytes\.$/);
});

test("policy Always asks the registry each time, IfNotPresent does not", options, async () => {
  await using registry = await TestRegistry.start();
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const image = registry.push("team/policy:1", await busyboxImage(""));
  meta.apply(podWith("one", image, "IfNotPresent"));
  await meta.untilReady("one");
  const { pulls } = registry;
  assert.ok(pulls > 0);
  meta.apply(podWith("two", image, "IfNotPresent"));
  await meta.untilReady("two");
  assert.equal(registry.pulls, pulls);
  meta.apply(podWith("three", image, "Always"));
  await meta.untilReady("three");
  assert.ok(registry.pulls > pulls);
});

test("a pod that is deleted does not wait for a pull that hangs", options, async () => {
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const asked = Promise.withResolvers<void>();
  await using registry = createServer(() => asked.resolve()).listen(0, "127.0.0.1");
  using _ = { [Symbol.dispose]: () => registry.closeAllConnections() };
  await once(registry, "listening");
  const { port } = registry.address() as AddressInfo;
  meta.apply(podWith("hangs", `127.0.0.1:${port}/never:1`, "Always"));
  await asked.promise;
  meta.delete({ namespace: "default", name: "hangs" });
  await meta.untilGone("hangs");
});

for (const pullAlwaysFallsBackOffline of [false, true])
  test(`W-57: policy Always without the registry, fallback ${pullAlwaysFallsBackOffline}`, options, async () => {
    await using registry = await TestRegistry.start();
    await using edged = await startTestEdged(containerd, { pullAlwaysFallsBackOffline });
    const { meta } = edged;
    const image = registry.push(`team/offline-${pullAlwaysFallsBackOffline}:1`, await busyboxImage(""));
    meta.apply(podWith("online", image, "Always"));
    await meta.untilReady("online");
    await registry[Symbol.asyncDispose]();
    meta.apply(podWith("offline", image, "Always"));
    if (pullAlwaysFallsBackOffline) await meta.untilReady("offline");
    else await waiting(edged, "offline", "ErrImagePull", "ImagePullBackOff");
  });

test("W-57: what ran from an image comes back without the registry", options, async () => {
  await using registry = await TestRegistry.start();
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const image = registry.push("team/comes-back:1", await busyboxImage(""));
  const pod = podWith("back", image, "Always");
  meta.apply(pod);
  const { status } = await meta.untilReady("back");
  await registry[Symbol.asyncDispose]();
  const id = status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
  await containerd.client.runtime.stopContainer(id, 0, AbortSignal.timeout(10_000));
  await meta.until(() => {
    const [container] = meta.get("back")?.status?.containerStatuses ?? [];
    return container?.restartCount === 1 && container.ready;
  });
  assert.ok(meta.events.some(({ reason }) => reason === "PullSkipped"));
});

test("pulls that fail hold each other back, and say why", options, async () => {
  await using registry = await TestRegistry.start({ credentials: "user:right" });
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const image = registry.push("team/closed:1", await busyboxImage(""));
  meta.apply(podWith("closed", image, "IfNotPresent"));
  const { message } = await waiting(edged, "closed", "ImagePullBackOff");
  assert.match(message ?? "", /^Back-off pulling image "[^"]+": ErrImagePull: /);
  const reasons = meta.events.map(({ reason, message: text }) => `${reason}: ${text}`);
  assert.ok(reasons.includes(`Pulling: Pulling image "${image}"`));
  assert.ok(reasons.includes(`BackOff: Back-off pulling image "${image}"`));
  assert.ok(reasons.some((reason) => reason.startsWith(`Failed: Failed to pull image "${image}": `)));
});

test("W-57: the fallback does not give what the registry refuses", options, async () => {
  await using registry = await TestRegistry.start({ credentials: "user:right" });
  await using edged = await startTestEdged(containerd, { pullAlwaysFallsBackOffline: true });
  const { meta } = edged;
  const image = registry.push("team/secret:1", await busyboxImage(""));
  meta.secrets.set("default/right", pullSecret("right", registry.host, "user:right"));
  meta.apply(podWith("theirs", image, "Always", "right"));
  await meta.untilReady("theirs");
  meta.apply(podWith("ours", image, "Always"));
  await waiting(edged, "ours", "ErrImagePull", "ImagePullBackOff");
});
