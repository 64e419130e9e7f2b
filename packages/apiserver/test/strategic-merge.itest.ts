import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import { applyStrategicMergePatch, type KubeObject, PatchError, QuantityError } from "@kedge/kube";
import { TestKubernetes } from "@kedge/testing";
import { builtinResources } from "../src/resources/builtin-resources.ts";
import { comparable, RealKubernetes } from "./real-kubernetes.ts";

const PATH = "/apis/apps/v1/namespaces/default/deployments";
const PATCHES = 400;

const labels = { app: "web" };
const DEPLOYMENT = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "d", labels: { x: "1", y: "2" }, finalizers: ["a.b/c", "d.e/f"] },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: ["a", "b", "c"].map((name) => ({
          name,
          image: `${name}:1`,
          env: [
            { name: "X", value: "1" },
            { name: "Y", value: "2" },
          ],
          ports: [{ containerPort: 80 }, { containerPort: 81, name: "web" }],
        })),
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "w", configMap: { name: "m" } },
        ],
        tolerations: [{ key: "t", operator: "Exists" }],
      },
    },
  },
};

const directive = fc.option(fc.constantFrom({ $patch: "delete" }, { $patch: "replace" }), { nil: {}, freq: 4 });
const some = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(shape, { requiredKeys: [], noNullPrototype: true });

function item(key: string, values: readonly (string | number)[], rest: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc
    .tuple(fc.constantFrom(...values), rest, directive)
    .map(([value, more, how]) => ({ [key]: value, ...more, ...how }));
}

const env = fc.array(item("name", ["X", "Y", "Z"], some({ value: fc.constantFrom("7", "8", null) })), { maxLength: 3 });
const ports = fc.array(item("containerPort", [80, 81, 82], some({ name: fc.constantFrom("p", "q") })), {
  maxLength: 2,
});
const containers = fc.array(
  item(
    "name",
    ["a", "b", "c", "d"],
    some({ image: fc.constantFrom("i:2", "i:3"), env, ports, command: fc.constant(["x"]) }),
  ),
  { maxLength: 3 },
);
const volumes = fc.array(
  item(
    "name",
    ["v", "w", "z"],
    fc.constantFrom<object>(
      { emptyDir: { medium: "Memory" } },
      { $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } },
      { $retainKeys: ["name", "emptyDir"], emptyDir: {}, configMap: null },
      {},
    ),
  ),
  { maxLength: 2 },
);
const order = fc.shuffledSubarray(["a", "b", "c", "d"]).map((names) => names.map((name) => ({ name })));
const finalizers = fc.subarray(["a.b/c", "d.e/f", "g.h/i"]);
/** What is both added and deleted is there or not, as chance has it on a real server. */
function withoutContradiction<T extends { finalizers?: string[]; "$deleteFromPrimitiveList/finalizers"?: string[] }>(
  metadata: T,
): T {
  const { finalizers: added = [], "$deleteFromPrimitiveList/finalizers": deleted } = metadata;
  if (deleted === undefined) return metadata;
  return { ...metadata, "$deleteFromPrimitiveList/finalizers": deleted.filter((each) => !added.includes(each)) };
}

const patch = some({
  metadata: some({
    labels: fc.oneof(
      fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("3", null), { noNullPrototype: true }),
      fc.constantFrom<object>({ $patch: "replace", n: "1" }, { $patch: "delete" }),
    ),
    finalizers,
    "$deleteFromPrimitiveList/finalizers": finalizers,
    "$setElementOrder/finalizers": finalizers,
  }).map(withoutContradiction),
  spec: some({
    replicas: fc.constantFrom(0, 5, null),
    strategy: fc.constantFrom<object>(
      { type: "Recreate", $retainKeys: ["type"] },
      { type: "Recreate", rollingUpdate: null },
      { rollingUpdate: { maxSurge: 3 } },
      { $patch: "replace", type: "Recreate" },
    ),
    template: some({
      spec: some({
        containers,
        "$setElementOrder/containers": order,
        volumes,
        tolerations: fc.constantFrom([], [{ key: "u", operator: "Exists" }]),
        hostAliases: fc.constant([{ ip: "10.0.0.1", hostnames: ["h"] }]),
      }),
    }),
  }),
});

/**
 * Where a patch both deletes items and orders others, the real server reads the order of the live list from memory that
 * the deletion has shifted: the items agree then, their order may not.
 */
function deletesAndOrders(body: object): boolean {
  const text = JSON.stringify(body);
  return text.includes('"$patch":"delete"') && text.includes("$setElementOrder/containers");
}

function view(object: KubeObject | undefined, unordered: boolean): unknown {
  const plain = comparable(object) as typeof DEPLOYMENT;
  if (unordered) plain.spec.template.spec.containers.sort((a, b) => (a.name < b.name ? -1 : 1));
  return plain;
}

suite("strategic merge is that of a real API server", { skip: TestKubernetes.missing(), timeout: 180_000 }, () => {
  let kubernetes: TestKubernetes;
  let real: RealKubernetes;
  let stored: KubeObject;
  const definition = builtinResources().find(({ type }) => type.kind === "Deployment");
  assert.ok(definition);

  before(async () => {
    kubernetes = await TestKubernetes.start();
    real = new RealKubernetes(kubernetes);
    ({ body: stored } = await real.call<KubeObject>("POST", PATH, { body: DEPLOYMENT }));
    assert.ok(stored.metadata?.uid, JSON.stringify(stored));
  });
  after(async () => {
    await kubernetes?.[Symbol.asyncDispose]();
  });

  /** @returns undefined: refused. */
  function ours(body: object): KubeObject | undefined {
    try {
      const object = applyStrategicMergePatch(stored, body, definition?.patchSchema ?? {});
      definition?.prune(object);
      definition?.applyDefaults(object);
      definition?.prepareUpdate(object, stored, "");
      return definition?.validate(object, stored).length === 0 ? object : undefined;
    } catch (error) {
      if (error instanceof PatchError || error instanceof QuantityError) return undefined;
      throw error;
    }
  }

  test(`in ${PATCHES} patches made up at random`, async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(patch, async (body) => {
        const answer = await real.call<KubeObject>("PATCH", `${PATH}/d?dryRun=All`, { body, patch: "strategic" });
        const object = ours(body);
        if (answer.status !== 200) {
          assert.equal(object, undefined, `refused there: ${JSON.stringify(answer.body)}`);
          return;
        }
        accepted += 1;
        const unordered = deletesAndOrders(body);
        assert.deepEqual(view(object, unordered), view(answer.body, unordered));
      }),
      { numRuns: PATCHES },
    );
    assert.ok(accepted > PATCHES / 10, `only ${accepted} patches were taken`);
  });
});
