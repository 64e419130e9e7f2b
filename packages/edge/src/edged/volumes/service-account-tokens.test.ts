import assert from "node:assert/strict";
import { readFileSync, statSync, watch } from "node:fs";
import { test } from "node:test";
import { mountPointsBelow, unmount } from "./run-mount.ts";
import { needsRoot, podWith, signal, VolumeNode } from "./volume-node.test-data.ts";

test("projected: what a pod gets of its service account, with labels beside it", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  node.configMaps["kube-root-ca.crt"] = { data: { "ca.crt": "PEM" } };
  const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
  const pod = podWith({
    name: "kube-api-access-x",
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [field("namespace", "metadata.namespace"), field("labels", "metadata.labels")] } },
      ],
    },
  });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const read = (file: string) => readFileSync(node.path("kubernetes.io~projected", "kube-api-access-x", file), "utf8");
  assert.equal(read("token"), "shop/runner//1");
  assert.equal(read("ca.crt"), "PEM");
  assert.equal(read("namespace"), "shop");
  assert.equal(read("labels"), 'app="web"');

  const relabelled = { ...pod, metadata: { ...pod.metadata, labels: { app: "shop" } } };
  await volumes.refresh(relabelled, signal);
  assert.equal(read("labels"), 'app="shop"');
  assert.equal(node.tokensIssued, 1, "a fresh token is not asked for again");
});

test(
  "W-16: a token is renewed at 80 % of its life and kept until its successor is here",
  { skip: needsRoot },
  async () => {
    await using node = new VolumeNode();
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 1000, audience: "api" } }];
    const pod = podWith(
      { name: "t", projected: { sources } },
      {
        securityContext: { runAsUser: 1234 },
      },
    );
    const volumes = await node.volumes();
    const file = node.path("kubernetes.io~projected", "t", "token");
    const token = () => readFileSync(file, "utf8");
    await volumes.prepare(pod, signal);
    assert.deepEqual([statSync(file).mode & 0o777, statSync(file).uid], [0o600, 1234]);

    node.nowMs += 799_000;
    await volumes.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/1");
    node.nowMs += 2_000;
    node.offline = true;
    await volumes.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/1", "offline: the old one stays");
    node.nowMs += 10_000_000;
    await volumes[Symbol.asyncDispose]();
    const restarted = await node.volumes();
    await restarted.prepare(pod, signal);
    assert.equal(token(), "shop/runner/api/1", "also past its end, also after a restart");
    node.offline = false;
    await restarted.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/2");
  },
);

test(
  "W-16: after 90 days offline and a reboot pods start with what they had, and get anew when the cloud is there",
  {
    skip: needsRoot,
  },
  async () => {
    await using node = new VolumeNode();
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }];
    const pod = podWith({ name: "t", projected: { sources } });
    const before = await node.volumes();
    await before.prepare(pod, signal);
    const file = node.path("kubernetes.io~projected", "t", "token");
    const expirationTimestamp = new Date(node.nowMs + 3_607_000).toISOString();
    node.cachedToken = { token: readFileSync(file, "utf8"), expirationTimestamp };
    await before[Symbol.asyncDispose]();

    node.offline = true;
    node.nowMs += 90 * 24 * 3_600_000;
    for (const point of await mountPointsBelow(node.rootDirectory)) await unmount(point, signal); // what a reboot does
    const volumes = await node.volumes();
    await volumes.prepare(pod, signal);
    assert.equal(readFileSync(file, "utf8"), "shop/runner//1");

    const changed = new Promise<void>((resolve) => {
      const watcher = watch(node.path("kubernetes.io~projected", "t"), () => {
        if (readFileSync(file, "utf8") !== "shop/runner//2") return;
        watcher.close();
        resolve();
      });
    });
    node.offline = false;
    node.bus.notify("hub/connection", { connected: true, agreed: true });
    await changed;
    await volumes.release("uid-1", signal);
  },
);
