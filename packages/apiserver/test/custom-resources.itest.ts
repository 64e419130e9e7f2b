import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { CustomResourceDefinition, KubeObject, KubeStatus } from "@kedge/kube";
import type { KubeTransport } from "@kedge/kube-client";
import { startTestServer, type TestServer } from "./start-test-server.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const signal = AbortSignal.timeout(50_000);

interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

function definition(plural: string, kind: string, more: object = {}): object {
  const version = (name: string, storage: boolean) => ({
    name,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        type: "object",
        properties: { spec: { type: "object", properties: { size: { type: "integer", minimum: 1, default: 3 } } } },
      },
    },
    subresources: { status: {} },
  });
  return {
    metadata: { name: `${plural}.test.kedge.io` },
    spec: {
      group: "test.kedge.io",
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), ...more },
      versions: [version("v1", true), version("v1beta1", false)],
    },
  };
}

describe("custom resources", { timeout: 60_000 }, () => {
  const scope = new AsyncDisposableStack();
  let server: TestServer;
  let transport: KubeTransport;
  before(async () => {
    server = scope.use(await startTestServer());
    transport = server.api.transport;
  });
  after(() => scope.disposeAsync());

  async function call<T = KubeObject>(method: string, path: string, body?: object): Promise<Answer<T>> {
    const contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const response = await transport.request({
      method,
      path,
      headers: body === undefined ? {} : { "content-type": contentType },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      signal,
    });
    const text = Buffer.concat(await Array.fromAsync(response.body)).toString();
    return { status: response.status, body: JSON.parse(text) as T };
  }

  /** Follows one definition until `holds`; undefined: it is gone. */
  async function until(name: string, holds: (crd: CustomResourceDefinition | undefined) => boolean): Promise<void> {
    const path = `${CRDS}?watch=1&fieldSelector=metadata.name%3D${name}`;
    const response = await transport.request({ method: "GET", path, headers: {}, signal, streaming: true });
    if (
      holds((await call<CustomResourceDefinition>("GET", `${CRDS}/${name}`)).status === 404 ? undefined : ({} as never))
    )
      return;
    for await (const chunk of response.body)
      for (const line of Buffer.from(chunk).toString().trim().split("\n")) {
        const { type, object } = JSON.parse(line) as { type: string; object: CustomResourceDefinition };
        if (holds(type === "DELETED" ? undefined : object)) return;
      }
  }
  const condition = (type: string) => (crd: CustomResourceDefinition | undefined) =>
    crd?.status?.conditions?.find((one) => one.type === type)?.status;
  const established = (name: string) => until(name, (crd) => condition("Established")(crd) === "True");

  test("served once established, in all versions, which are one and the same", async () => {
    const path = "/apis/test.kedge.io/v1/namespaces/default/things";
    assert.equal((await call("GET", path)).status, 404);
    assert.equal((await call("POST", CRDS, definition("things", "Thing", { shortNames: ["th"] }))).status, 201);
    await established("things.test.kedge.io");
    const created = await call<KubeObject & { spec: object }>("POST", path, {
      metadata: { name: "t" },
      spec: { unknown: 1 },
    });
    assert.equal(created.status, 201);
    assert.deepEqual(created.body.spec, { size: 3 }, "pruned and defaulted");
    const beta = await call("GET", path.replace("v1", "v1beta1") + "/t");
    assert.equal(beta.body.apiVersion, "test.kedge.io/v1beta1");
    assert.equal(beta.body.metadata?.uid, created.body.metadata?.uid);
    const patched = await call<KubeObject & { spec: object }>("PATCH", path.replace("v1", "v1beta1") + "/t", {
      spec: { size: 5 },
    });
    assert.deepEqual([patched.status, patched.body.spec], [200, { size: 5 }]);
    assert.equal((await call("GET", `${path}/t`)).body.apiVersion, "test.kedge.io/v1");
    const refused = await call<KubeStatus>("PATCH", `${path}/t`, { spec: { size: 0 } });
    assert.equal(refused.status, 422);
    assert.match(refused.body.message ?? "", /Thing.test.kedge.io "t" is invalid: spec.size/);
    const group = await call<{ preferredVersion: object }>("GET", "/apis/test.kedge.io");
    assert.deepEqual(group.body.preferredVersion, { groupVersion: "test.kedge.io/v1", version: "v1" });
  });

  test("a name that is taken is not accepted, and served once it is free", async () => {
    assert.equal((await call("POST", CRDS, definition("firsts", "Same"))).status, 201);
    await established("firsts.test.kedge.io");
    assert.equal((await call("POST", CRDS, definition("seconds", "Same"))).status, 201);
    await until("seconds.test.kedge.io", (crd) => condition("NamesAccepted")(crd) === "False");
    assert.equal((await call("GET", "/apis/test.kedge.io/v1/seconds")).status, 404);
    await call("DELETE", `${CRDS}/firsts.test.kedge.io`);
    await established("seconds.test.kedge.io");
    assert.equal((await call("GET", "/apis/test.kedge.io/v1/seconds")).status, 200);
  });

  test("a definition goes after its last object, and takes no new ones meanwhile", async () => {
    const path = "/apis/test.kedge.io/v1/namespaces/default/held";
    await call("POST", CRDS, definition("held", "Held"));
    await established("held.test.kedge.io");
    await call("POST", path, { metadata: { name: "h", finalizers: ["kedge.test/hold"] } });
    await call("POST", path, { metadata: { name: "free" } });
    assert.equal((await call("DELETE", `${CRDS}/held.test.kedge.io`)).status, 200);
    await until("held.test.kedge.io", (crd) => condition("Terminating")(crd) === "True");
    assert.equal((await call("POST", path, { metadata: { name: "late" } })).status, 405);
    const marked = async () => (await call("GET", `${path}/h`)).body.metadata?.deletionTimestamp !== undefined;
    while (!(await marked())) signal.throwIfAborted(); // said first, then done
    const gone = until("held.test.kedge.io", (crd) => crd === undefined);
    await call("PATCH", `${path}/h`, { metadata: { finalizers: null } });
    await gone;
    assert.equal((await call("GET", path)).status, 404);
  });

  test("served again after a restart", async () => {
    await using first = await startTestServer();
    transport = first.api.transport;
    await call("POST", CRDS, definition("lasting", "Lasting"));
    await established("lasting.test.kedge.io");
    await first.api[Symbol.asyncDispose]();
    await using second = await startTestServer({ stateDir: first.stateDir });
    transport = second.api.transport;
    assert.equal((await call("GET", "/apis/test.kedge.io/v1/lasting")).status, 200);
    transport = server.api.transport;
  });
});
