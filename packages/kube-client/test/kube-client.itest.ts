import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONFIG_MAPS, type ConfigMap, EVENTS, KubeApiError, keyOf, NAMESPACES } from "@kedge/kube";
import { discoverResources, EventRecorder, Informer, type KubeClient } from "@kedge/kube-client";
import { deferred, hasCode, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";

describe("kube-client against a real API server", { skip: TestKubernetes.missing(), timeout: 120_000 }, () => {
  let kubernetes: TestKubernetes;
  let kube: KubeClient;
  const signal = AbortSignal.timeout(110_000);

  before(async () => {
    kubernetes = await TestKubernetes.start();
    kube = kubernetes.connect();
  });
  after(async () => {
    await kube[Symbol.asyncDispose]();
    await kubernetes[Symbol.asyncDispose]();
  });

  const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
    metadata: { namespace: "default", name },
    data,
  });

  test("creates, reads, updates, patches and deletes", async () => {
    const created = await kube.create(CONFIG_MAPS, configMap("crud", { a: "1" }), signal);
    assert.equal(created.kind, "ConfigMap");
    const read = await kube.get(CONFIG_MAPS, { namespace: "default", name: "crud" }, signal);
    assert.deepEqual(read.data, { a: "1" });
    const updated = await kube.update(CONFIG_MAPS, { ...read, data: { a: "2" } }, signal);
    await assert.rejects(kube.update(CONFIG_MAPS, { ...read, data: { a: "3" } }, signal), (error: unknown) =>
      hasCode(error, "Conflict"),
    );
    for (const [type, body] of [
      ["merge", { data: { b: "merge" } }],
      ["strategic", { data: { c: "strategic" } }],
      ["json", [{ op: "add", path: "/data/d", value: "json" }]],
    ] as const)
      await kube.patch(CONFIG_MAPS, { namespace: "default", name: "crud" }, { type, body }, signal);
    const applied = { apiVersion: "v1", kind: "ConfigMap", data: { e: "apply" } };
    const patched = await kube.patch(
      CONFIG_MAPS,
      { namespace: "default", name: "crud" },
      { type: "apply", body: applied },
      signal,
      { fieldManager: "test", force: true },
    );
    assert.deepEqual(patched.data, { a: "2", b: "merge", c: "strategic", d: "json", e: "apply" });
    const stale = { preconditions: { resourceVersion: updated.metadata?.resourceVersion ?? "" } };
    const key = { namespace: "default", name: "crud" };
    await assert.rejects(kube.delete(CONFIG_MAPS, key, signal, stale), (error: unknown) => hasCode(error, "Conflict"));
    await kube.delete(CONFIG_MAPS, key, signal);
    await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "NotFound"));
  });

  test("tells a refusal with the server's own words", async () => {
    await assert.rejects(kube.create(CONFIG_MAPS, configMap("Not_A_Name"), signal), (error: unknown) => {
      assert.ok(error instanceof KubeApiError);
      assert.equal(error.code, "Invalid");
      assert.equal(error.retryable, false);
      assert.match(error.message, /RFC 1123/);
      return true;
    });
  });

  test("lists in pages and keeps an informer equal to the server", async () => {
    await kube.create(NAMESPACES, { metadata: { name: "paged" } }, signal);
    const create = (name: string) =>
      kube.create(CONFIG_MAPS, { metadata: { namespace: "paged", name, labels: { parity: name.slice(-1) } } }, signal);
    for (let index = 0; index < 7; index += 1) await create(`cm-${index}`);
    await using informer = new Informer(kube, CONFIG_MAPS, {
      namespace: "paged",
      pageSize: 3,
      indexes: { parity: (object) => [object.metadata?.labels?.["parity"] ?? ""] },
    });
    await informer.synced;
    assert.equal(informer.size, 7);
    assert.equal(informer.get({ namespace: "paged", name: "cm-3" })?.metadata?.managedFields, undefined);
    assert.deepEqual(informer.byIndex("parity", "3").map(keyOf), ["paged/cm-3"]);

    const seen: string[] = [];
    const gone = deferred();
    using _ = informer.onChange((old, object) => {
      if (old !== undefined || object === undefined || object.metadata?.name === "new")
        seen.push(`${old?.metadata?.name ?? "-"} → ${object?.metadata?.name ?? "-"}`);
      if (object === undefined) gone.resolve();
    });
    await create("new");
    await kube.patch(
      CONFIG_MAPS,
      { namespace: "paged", name: "new" },
      { type: "merge", body: { data: { a: "b" } } },
      signal,
    );
    await kube.delete(CONFIG_MAPS, { namespace: "paged", name: "new" }, signal);
    await gone.promise;
    assert.deepEqual(seen, ["- → new", "new → new", "new → -"]);

    const cleared = deferred();
    using __ = informer.onChange(() => (informer.size === 0 ? cleared.resolve() : undefined));
    await kube.deleteCollection(CONFIG_MAPS, { namespace: "paged" }, signal);
    await cleared.promise;
  });

  test("ends a watch as soon as its signal aborts, with the signal's reason", async () => {
    const life = new AbortController();
    const list = await kube.list(CONFIG_MAPS, {}, signal);
    const stream = kube.watch(CONFIG_MAPS, { resourceVersion: list.metadata.resourceVersion }, life.signal);
    const next = stream[Symbol.asyncIterator]().next();
    const reason = new Error("enough");
    life.abort(reason);
    await assert.rejects(next, reason);
  });

  test("discovers what the server serves, once each", async () => {
    const { resources, failed } = await discoverResources(kube, signal);
    assert.deepEqual(failed, []);
    const pods = resources.filter(({ type }) => type.group === "" && type.resource === "pods");
    assert.equal(pods.length, 1);
    assert.ok(pods[0]?.verbs.includes("deletecollection"));
    assert.ok(resources.some(({ type }) => type.group === "apps" && type.kind === "Deployment" && type.namespaced));
  });

  test("records an event once and counts its repetitions", async () => {
    const object = await kube.create(CONFIG_MAPS, configMap("noisy"), signal);
    await using informer = new Informer(kube, EVENTS, {
      namespace: "default",
      fieldSelector: "involvedObject.name=noisy",
    });
    const counted = deferred();
    using _ = informer.onChange((__, event) => (event?.count === 3 ? counted.resolve() : undefined));
    await using recorder = new EventRecorder(kube, { component: "kedge-test", logger: silentLogger });
    for (let times = 0; times < 3; times += 1) recorder.record(CONFIG_MAPS, object, "Warning", "Noisy", "it is noisy");
    await counted.promise;
    assert.equal(informer.size, 1);
  });
});
