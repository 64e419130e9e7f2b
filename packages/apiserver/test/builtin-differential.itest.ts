import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  apiVersionOf,
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  type KubeObject,
  type KubeStatus,
  strategicDiff,
} from "@kedge/kube";
import { TestKubernetes } from "@kedge/testing";
import { builtinResources } from "../src/resources/builtin-resources.ts";
import type { FieldError, ResourceDefinition } from "../src/resources/resource-definition.ts";
import { BUILTIN_OBJECTS } from "./builtin-objects.ts";
import { INVALID_OBJECTS } from "./invalid-objects.ts";
import { INVALID_UPDATES } from "./invalid-updates.ts";
import { POD_STATUSES } from "./pod-statuses.ts";
import { comparable, RealKubernetes } from "./real-kubernetes.ts";
import { STATUS_CHANGES } from "./status-changes.ts";
import { SAMPLE_PATCHES, type SamplePatch } from "./sample-patches.ts";

interface Table {
  readonly columnDefinitions: { name: string; type: string; format: string; priority: number }[];
  readonly rows: { cells: unknown[] }[];
}

const AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const definitions = builtinResources();

function definitionOf({ apiVersion, kind }: KubeObject): ResourceDefinition {
  const found = definitions.find(({ type }) => type.kind === kind && apiVersionOf(type) === apiVersion);
  assert.ok(found, `${apiVersion} ${kind}`);
  return found;
}

function collectionOf({ type }: ResourceDefinition, namespace: string): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  return `${root}${type.namespaced ? `/namespaces/${namespace}` : ""}/${type.resource}`;
}

/** What our own definition makes of an object before it is stored for the first time. */
function created(sample: KubeObject, uid: string): KubeObject {
  const object = structuredClone(sample);
  const definition = definitionOf(object);
  object.metadata = { ...object.metadata, ...(definition.type.namespaced && { namespace: "default" }), uid };
  definition.prune(object);
  definition.applyDefaults(object);
  definition.prepareCreate(object);
  return object;
}

/** What admission and allocation add on a real server; ours do, too, but not the definitions. */
function lessAdmission(object: KubeObject): unknown {
  const copy = structuredClone(object) as KubeObject & {
    spec?: Record<string, unknown>;
    status?: Record<string, unknown>;
  };
  const { spec = {}, status = {} } = copy;
  if (copy.kind === "Pod") {
    for (const name of ["priority", "preemptionPolicy"]) delete spec[name];
    spec["tolerations"] = ((spec["tolerations"] ?? []) as { key?: string }[]).filter(
      ({ key = "" }) => !key.startsWith("node."),
    );
    if ((spec["tolerations"] as unknown[]).length === 0) delete spec["tolerations"];
  }
  if (copy.kind === "Service")
    for (const name of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) delete spec[name];
  if (copy.kind === "Node")
    spec["taints"] = ((spec["taints"] ?? []) as { key: string }[]).filter(({ key }) => !key.startsWith("node."));
  if (copy.kind?.startsWith("PersistentVolume") === true) {
    delete copy.metadata?.finalizers;
    delete status["lastPhaseTransitionTime"];
  }
  return comparable(copy);
}

function told(errors: readonly FieldError[], showsGo: boolean | undefined): string[] {
  return errors
    .map(({ field, reason, message }) => {
      // A pod's refused update is followed by a diff in Go's notation.
      const text = showsGo === true ? message.split(":")[0] : message.split("\n")[0];
      return `${field} | ${reason} | ${text ?? ""}`;
    })
    .toSorted();
}

function causesOf(status: KubeStatus): FieldError[] {
  const causes = status.details?.causes ?? [];
  return causes.map(({ field = "", reason = "", message = "" }) => ({ field, reason, message }));
}

suite(
  "built-in resources are as a real API server has them",
  { skip: TestKubernetes.missing(), timeout: 180_000 },
  () => {
    let kubernetes: TestKubernetes;
    let real: RealKubernetes;
    const stored = new Map<string, KubeObject>();

    before(async () => {
      kubernetes = await TestKubernetes.start();
      real = new RealKubernetes(kubernetes);
    });
    after(async () => {
      await kubernetes?.[Symbol.asyncDispose]();
    });

    test("discovery", async () => {
      for (const definition of definitions) {
        const { type } = definition;
        const path = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
        const { body } = await real.call<{ resources: Record<string, unknown>[] }>("GET", path);
        const found = body.resources.find(({ name }) => name === type.resource);
        const subresources = body.resources.map(({ name }) => String(name));
        assert.deepEqual(
          {
            kind: type.kind,
            namespaced: type.namespaced,
            singular: definition.singular,
            shortNames: definition.shortNames,
            categories: definition.categories,
            verbs: definition.verbs.toSorted(),
            status: definition.hasStatus,
            scale: definition.scale !== undefined,
          },
          {
            kind: found?.["kind"],
            namespaced: found?.["namespaced"],
            singular: found?.["singularName"],
            shortNames: found?.["shortNames"] ?? [],
            categories: found?.["categories"] ?? [],
            verbs: ((found?.["verbs"] ?? []) as string[]).toSorted(),
            status: subresources.includes(`${type.resource}/status`),
            scale: subresources.includes(`${type.resource}/scale`),
          },
        );
      }
    });

    for (const { name, object } of BUILTIN_OBJECTS)
      test(`create and get ${object.kind} ${name}`, async () => {
        const definition = definitionOf(object);
        const collection = collectionOf(definition, "default");
        const { status, body } = await real.call<KubeObject>("POST", collection, { body: object });
        assert.equal(status, 201, JSON.stringify(body));
        stored.set(`${object.kind} ${name}`, body);
        const ours = created(object, body.metadata?.uid ?? "");
        assert.deepEqual(definition.validate(ours, undefined), []);
        assert.deepEqual(lessAdmission(ours), lessAdmission(body));

        const path = `${collection}/${body.metadata?.name}`;
        const { body: table } = await real.call<Table>("GET", path, { accept: AS_TABLE });
        assert.deepEqual(
          definition.columns.map(({ name: title, type, format = "", priority }) => [title, type, format, priority]),
          table.columnDefinitions.map(({ name: title, type, format, priority }) => [title, type, format, priority]),
        );
        const { body: current } = await real.call<KubeObject>("GET", path);
        const ages = /^\d+s$/; // may have grown since
        const cells = (row: unknown[]) =>
          row.map((cell) => (typeof cell === "string" && ages.test(cell) ? "age" : cell));
        assert.deepEqual(cells(definition.cells(current, Date.now())), cells(table.rows[0]?.cells ?? []));
      });

    for (const { name, object, showsGo } of INVALID_OBJECTS)
      test(`refuse ${name}`, async () => {
        const definition = definitionOf(object);
        const { status, body } = await real.call("POST", collectionOf(definition, "default"), { body: object });
        assert.equal(status, 422, JSON.stringify(body));
        const ours = created(object, "uid");
        assert.deepEqual(told(definition.validate(ours, undefined), showsGo), told(causesOf(body), showsGo));
      });

    for (const sample of SAMPLE_PATCHES)
      test(`${sample.kind}: ${sample.name}`, async () => {
        const { kind, type, patch, subresource = "" } = sample;
        const key = `${kind} ${sample.object}`;
        const old = stored.get(key);
        assert.ok(old);
        const definition = definitionOf(old);
        const path = `${collectionOf(definition, "default")}/${old.metadata?.name}${subresource === "" ? "" : "/status"}`;
        const { status, body } = await real.call<KubeObject>("PATCH", path, { body: patch, patch: type });
        assert.equal(status, 200, JSON.stringify(body));
        stored.set(key, body);
        const ours = patched(old, sample, definition);
        assert.deepEqual(definition.validate(ours, old), []);
        assert.deepEqual(comparable(ours), comparable(body));
      });

    for (const { name, kind, object, change, schema } of STATUS_CHANGES)
      test(`a real server follows our diff: ${name}`, async () => {
        const old = stored.get(`${kind} ${object}`);
        assert.ok(old);
        const wanted = structuredClone(old) as KubeObject & { status: Record<string, unknown> };
        change(wanted.status);
        const patch = strategicDiff({ status: (old as typeof wanted).status }, { status: wanted.status }, schema);
        const path = `${collectionOf(definitionOf(old), "default")}/${old.metadata?.name}/status`;
        const { status, body } = await real.call<KubeObject>("PATCH", path, { body: patch, patch: "strategic" });
        assert.equal(status, 200, JSON.stringify(body));
        stored.set(`${kind} ${object}`, body);
        assert.deepEqual(comparable((body as typeof wanted).status), comparable(wanted.status));
      });

    for (const { name, kind, object, patch, showsGo } of INVALID_UPDATES)
      test(`refuse to change ${name}`, async () => {
        const sample = stored.get(`${kind} ${object}`);
        assert.ok(sample);
        const definition = definitionOf(sample);
        const path = `${collectionOf(definition, "default")}/${sample.metadata?.name}`;
        const { body: old } = await real.call<KubeObject>("GET", path);
        const { status, body } = await real.call("PATCH", path, { body: patch, patch: "merge" });
        assert.equal(status, 422, JSON.stringify(body));
        const ours = patched(old, { type: "merge", patch }, definition);
        assert.deepEqual(told(definition.validate(ours, old), showsGo), told(causesOf(body), showsGo));
      });

    for (const { name, spec, status, deleted } of POD_STATUSES)
      test(`show a pod that is ${name}`, async () => {
        const definition = definitionOf({ apiVersion: "v1", kind: "Pod" });
        const collection = collectionOf(definition, "default");
        const metadata = { name: `shown-${name.replaceAll(" ", "-")}`, ...(deleted && { finalizers: ["a.b/c"] }) };
        const pod = {
          apiVersion: "v1",
          kind: "Pod",
          metadata,
          spec: { containers: [{ name: "c", image: "i" }], ...spec },
        };
        const path = `${collection}/${metadata.name}`;
        assert.equal((await real.call("POST", collection, { body: pod })).status, 201);
        const patch = await real.call("PATCH", `${path}/status`, { body: { status }, patch: "merge" });
        assert.equal(patch.status, 200, JSON.stringify(patch.body));
        if (deleted) await real.call("DELETE", path);
        const { body: table } = await real.call<Table>("GET", path, { accept: AS_TABLE });
        const { body: current } = await real.call<KubeObject>("GET", path);
        const AGE = 4;
        const cells = definition.cells(current, Date.now());
        cells[AGE] = String(table.rows[0]?.cells[AGE]);
        assert.deepEqual(cells, table.rows[0]?.cells);
      });
  },
);

function patched(
  old: KubeObject,
  { type, patch, subresource }: Pick<SamplePatch, "type" | "patch" | "subresource">,
  definition: ResourceDefinition,
): KubeObject {
  const ours =
    type === "strategic"
      ? applyStrategicMergePatch(old, patch, definition.patchSchema ?? {})
      : type === "merge"
        ? applyMergePatch(old, patch)
        : applyJsonPatch(old, patch);
  definition.prune(ours);
  definition.applyDefaults(ours);
  definition.prepareUpdate(ours, old, subresource ?? "");
  return ours;
}
