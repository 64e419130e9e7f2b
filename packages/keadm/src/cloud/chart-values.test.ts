import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chartValues } from "./chart-values.ts";
import { renderCloud } from "./cloud-flags.ts";
import { cloudCoreObjects, workload } from "./cloudcore-objects.ts";

test("values come from profiles, then flags, then --set", () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-values-"));
  try {
    const profile = join(dir, "values.yaml");
    writeFileSync(
      profile,
      "cloudCore: {replicaCount: 2, image: {tag: v1.0.0}, modules: {cloudHub: {nodeLimit: '2000'}}}",
    );
    const { values } = chartValues({
      profiles: [profile],
      sets: ["cloudCore.replicaCount=3"],
      version: "2.0.0",
      imageRepository: "registry.example/kedge/",
      advertiseAddress: "192.0.2.1,cloud.example",
    });
    const { image, replicaCount, modules } = values.cloudCore;
    assert.deepEqual([image.repository, image.tag, replicaCount], ["registry.example/kedge/cloudcore", "v2.0.0", 3]);
    assert.deepEqual(modules.cloudHub.advertiseAddress, ["192.0.2.1", "cloud.example"]);
    assert.equal(Number(modules.cloudHub.nodeLimit), 2000);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("FIX: --profile version=vX.Y.Z is a version, as the help of KubeEdge says, and not a path", () => {
  assert.equal(chartValues({ profiles: ["version=v1.2.3"], sets: [] }).values.cloudCore.image.tag, "v1.2.3");
  assert.throws(() => chartValues({ profiles: ["version=latest; rm"], sets: [] }), /is no version/);
  assert.throws(() => chartValues({ profiles: ["/no/such/file"], sets: [] }), /cannot be read/);
});

test("FIX: what --files and --manifests name is applied, too", () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-files-"));
  try {
    const file = (name: string, text: string) => {
      writeFileSync(join(dir, name), text);
      return join(dir, name);
    };
    const one = file(
      "one.yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: two}\n",
    );
    const three = file("three.json", '{"apiVersion":"v1","kind":"Service","metadata":{"name":"three"}}');
    const flags = { kubeConfig: "", set: [], profile: [], files: [one], manifests: three, skipCrds: true };
    const names = renderCloud(flags).objects.map(({ metadata }) => metadata?.name);
    assert.deepEqual(names.slice(-3), ["one", "two", "three"]);
    const bad = file("bad.yaml", "just: text\n");
    assert.throws(
      () => renderCloud({ ...flags, files: [bad] }),
      /bad\.yaml cannot be applied: it holds something that is no Kubernetes object/,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a key that does not exist, and a part that Kedge has not, are told", () => {
  assert.throws(() => chartValues({ profiles: [], sets: ["cloudCore.replicas=2"] }), /there is no such key/);
  assert.throws(() => chartValues({ profiles: [], sets: ["cloudCore.modules.cloudHub.nodeLimit=none"] }), /nodeLimit/);
  const { warnings } = chartValues({ profiles: [], sets: ["mosquitto.enable=true"] });
  assert.match(warnings.join(), /mosquitto\.enable has no effect/);
});

const rendered = (...sets: string[]) => {
  const { values, given } = chartValues({ profiles: [], sets });
  return JSON.stringify(workload(values, given));
};

test("FIX: cloudcore has probes, and no privileges beyond what it needs", () => {
  const text = rendered();
  assert.match(text, /"readinessProbe":\{"httpGet":\{"path":"\/readyz","port":9091,"host":"127\.0\.0\.1"\}/);
  assert.match(text, /"runAsNonRoot":true/);
  assert.doesNotMatch(text, /"privileged"|hostPath/);
});

test("the Service has NodePorts only off the host's network, as in KubeEdge's chart", () => {
  assert.doesNotMatch(rendered(), /nodePort"/);
  const text = rendered("cloudCore.hostNetWork=false");
  assert.match(text, /"nodePort":30000/);
  assert.match(text, /bindAddress: 0\.0\.0\.0:9091/);
  assert.doesNotMatch(text, /"host":"127/);
});

test("another configuration makes other pods", () => {
  const checksum = (text: string) => /"keadm\.kubeedge\.io\/config":"(\w+)"/.exec(text)?.[1];
  assert.notEqual(checksum(rendered()), checksum(rendered("cloudCore.modules.cloudHub.nodeLimit=7")));
});

test("cloudcore may write Secrets in its own namespace alone, and change no roles", () => {
  const { values, given } = chartValues({ profiles: [], sets: [] });
  const roles = cloudCoreObjects(values, given).filter(({ kind }) => kind === "ClusterRole") as {
    rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  }[];
  const rules = roles.flatMap((role) => role.rules ?? []);
  assert.ok(rules.length > 5);
  for (const { resources, verbs, apiGroups } of rules) {
    if (resources.includes("secrets")) assert.deepEqual(verbs, ["get", "list", "watch"]);
    assert.ok(![...resources, ...verbs, ...apiGroups].includes("*"));
    assert.notEqual(apiGroups[0], "rbac.authorization.k8s.io");
  }
});
