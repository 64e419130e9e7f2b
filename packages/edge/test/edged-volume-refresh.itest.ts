import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ConfigMap, Pod, PodSpec, TokenRequest } from "@kedge/kube";
import { type Clock, systemClock } from "@kedge/runtime";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, startTestEdged, type TestMeta } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { skip, timeout: 60_000 };
const PROPAGATION_MS_MAX = 2_000;
const TOKEN_SECONDS = 3600;

const scope = new AsyncDisposableStack();
let containerd: TestContainerd;

before(async () => {
  if (skip === false) containerd = scope.use(await TestContainerd.start());
});
after(() => scope.disposeAsync());

/** Ends once the file holds `content`. */
function waitsFor(content: string, volume: NonNullable<PodSpec["volumes"]>[number]): Partial<PodSpec> {
  const script = `until grep -q '${content}' /v/file; do sleep 0.02; done`;
  const volumeMounts = [{ name: volume.name, mountPath: "/v" }];
  const container = { name: "app", image: TEST_IMAGE, command: ["sh", "-c", script], volumeMounts };
  return { restartPolicy: "Never", containers: [container], volumes: [volume] };
}

test("a label's change reaches the file of a running container within two seconds", options, async () => {
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const items = [{ path: "file", fieldRef: { fieldPath: "metadata.labels" } }];
  meta.apply(podOf("labelled", "", waitsFor('^mood="good"$', { name: "info", downwardAPI: { items } })));
  const running: Pod = await meta.untilReady("labelled");
  const changedAtMs = performance.now();
  meta.apply({ ...running, metadata: { ...running.metadata, labels: { mood: "good" } } });
  await meta.untilPhase("labelled", "Succeeded");
  assert.ok(performance.now() - changedAtMs < PROPAGATION_MS_MAX);
});

test("a neighbour that crashes again and again keeps nothing from a running container", options, async () => {
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const items = [{ path: "file", fieldRef: { fieldPath: "metadata.annotations" } }];
  const spec = waitsFor('^mood="good"$', { name: "info", downwardAPI: { items } });
  spec.containers?.push({ name: "crashes", image: TEST_IMAGE, command: ["false"] });
  meta.apply(podOf("neighbours", "", { ...spec, restartPolicy: "OnFailure" }));
  const container = (name: string) =>
    meta.get("neighbours")?.status?.containerStatuses?.find((status) => status.name === name);
  await meta.until(() => {
    const { restartCount = 0, state } = container("crashes") ?? {};
    return restartCount > 0 && state?.waiting?.reason === "CrashLoopBackOff";
  });
  const running = meta.get("neighbours");
  assert.ok(container("app")?.state?.running && running);
  const changedAtMs = performance.now();
  meta.apply({ ...running, metadata: { ...running.metadata, annotations: { mood: "good" } } });
  await meta.until(() => container("app")?.state?.terminated?.exitCode === 0);
  assert.ok(performance.now() - changedAtMs < PROPAGATION_MS_MAX);
});

test("a running container gets a new token at 80 % of the old one's life, not before", options, async () => {
  const time = { aheadMs: 0 };
  const clock: Clock = {
    now: () => systemClock.now() + time.aheadMs,
    monotonic: () => systemClock.monotonic() + time.aheadMs,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
  };
  await using edged = await startTestEdged(containerd, { clock, syncFrequencyMs: 50 });
  const { meta } = edged;
  const asked: TokenRequest[] = [];
  meta.bus.handle("meta/requestToken", ({ token }) => {
    asked.push(token);
    const expirationTimestamp = new Date(clock.now() + TOKEN_SECONDS * 1000).toISOString();
    return { ...token, status: { token: `token-${asked.length}`, expirationTimestamp } };
  });
  const serviceAccountToken = { path: "file", expirationSeconds: TOKEN_SECONDS };
  const volume = { name: "token", projected: { sources: [{ serviceAccountToken }] } };
  // Whoever looks at the pod's volumes looks at this one, too: so we see that it was done.
  const looks = { name: "looks", configMap: { name: "looks" } };
  const spec = waitsFor("token-2", volume);
  spec.volumes?.push(looks);
  spec.containers?.[0]?.volumeMounts?.push({ name: "looks", mountPath: "/looks" });
  meta.setConfigMap({ metadata: { name: "looks", namespace: "default" }, data: {} });
  meta.apply(podOf("tokened", "", spec));
  await meta.untilReady("tokened");
  time.aheadMs = 0.79 * TOKEN_SECONDS * 1000;
  // The first may have begun before the clock was set.
  for (let look = 0; look < 2; look += 1) await configMapRead(meta);
  assert.equal(asked.length, 1);
  time.aheadMs = 0.81 * TOKEN_SECONDS * 1000;
  await meta.untilPhase("tokened", "Succeeded");
  assert.equal(asked.length, 2);
});

/** Resolves the next time that a ConfigMap is read. */
function configMapRead({ configMaps }: TestMeta): Promise<void> {
  return new Promise((resolve) => {
    configMaps.get = (key) => {
      resolve();
      return Map.prototype.get.call(configMaps, key) as ConfigMap | undefined;
    };
  });
}
