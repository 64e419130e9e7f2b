import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigMap, Container, EnvVar, Pod, Secret } from "@kedge/kube";
import { hasCode, MessageBus, silentLogger } from "@kedge/runtime";
import fc from "fast-check";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { expandArguments, expandVariables } from "./expand-variables.ts";
import { fieldValue, formatMap } from "./field-value.ts";
import { makeEnvironment } from "./make-environment.ts";
import { PodObjects } from "./pod-objects.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const CONFIG_MAPS: Record<string, ConfigMap> = {
  settings: { data: { color: "blue", size: "$(LITERAL)", "with space": "yes", "a=b": "no" } },
  empty: {},
};
const SECRETS: Record<string, Secret> = { login: { data: { user: base64("admin"), pass: base64("s3cr€t") } } };

const facts = { nodeName: "edge-1", hostIPs: ["10.0.0.7", "fd00::7"], podIPs: ["10.22.0.3"] };
const allocatable = { cpu: "2", memory: "4Gi", "ephemeral-storage": "10Gi" };
const signal = new AbortController().signal;

function objects(): PodObjects {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  bus.handle("meta/getConfigMap", ({ name }) => {
    if (name === "offline") throw new Error("the cloud is not connected");
    return CONFIG_MAPS[name];
  });
  bus.handle("meta/getSecret", ({ name }) => SECRETS[name]);
  return new PodObjects(bus, "shop", signal);
}

function podWith(container: Container): Pod {
  return {
    metadata: { name: "web", namespace: "shop", uid: "u-1", labels: { app: "web" }, annotations: { note: 'a "b"\n' } },
    spec: { containers: [container], nodeName: "edge-1", serviceAccountName: "runner" },
  };
}

async function environmentOf(container: Partial<Container>): Promise<[string, string][]> {
  const whole: Container = { name: "c", ...container };
  const context = { ...facts, allocatable, objects: objects(), logger: silentLogger };
  const variables = await makeEnvironment(podWith(whole), whole, context);
  return variables.map(({ name, value }) => [name, value]);
}

const one = (name: string, valueFrom: NonNullable<EnvVar["valueFrom"]>): EnvVar => ({ name, valueFrom });
const resources = { requests: { cpu: "250m", memory: "64Mi" }, limits: { memory: "100M" } };
const ask = (resource: string, divisor?: string) =>
  one("X", { resourceFieldRef: { resource, ...(divisor !== undefined && { divisor }) } });
const field = (fieldPath: string) => one("X", { fieldRef: { fieldPath } });

const cases: { name: string; container: Partial<Container>; environment: [string, string][] }[] = [
  { name: "nothing asked for (W-25: nothing is injected)", container: {}, environment: [] },
  {
    name: "W-25: a user's KUBERNETES_SERVICE_HOST stays the only one",
    container: { env: [{ name: "KUBERNETES_SERVICE_HOST", value: "10.1.2.3" }] },
    environment: [["KUBERNETES_SERVICE_HOST", "10.1.2.3"]],
  },
  {
    name: "literals expand what came before, keep what nobody defines, and $$ is a dollar",
    container: {
      env: [
        { name: "A", value: "1" },
        { name: "B", value: "$(A)-$(LATER)-$$(A)-$(A" },
        { name: "LATER", value: "2" },
        { name: "EMPTY" },
      ],
    },
    environment: [
      ["A", "1"],
      ["B", "1-$(LATER)-$(A)-$(A"],
      ["LATER", "2"],
      ["EMPTY", ""],
    ],
  },
  {
    name: "envFrom with prefix; impossible names are left out; env wins and may refer to it",
    container: {
      envFrom: [{ configMapRef: { name: "settings" }, prefix: "CM_" }, { secretRef: { name: "login" } }],
      env: [
        { name: "user", value: "root" },
        { name: "WHO", value: "$(user)/$(CM_color)" },
      ],
    },
    environment: [
      ["CM_color", "blue"],
      ["CM_size", "$(LITERAL)"],
      ["CM_with space", "yes"],
      ["pass", "s3cr€t"],
      ["user", "root"],
      ["WHO", "root/blue"],
    ],
  },
  {
    name: "keys of ConfigMaps and Secrets",
    container: {
      env: [
        one("COLOR", { configMapKeyRef: { name: "settings", key: "color" } }),
        one("PASS", { secretKeyRef: { name: "login", key: "pass" } }),
      ],
    },
    environment: [
      ["COLOR", "blue"],
      ["PASS", "s3cr€t"],
    ],
  },
  {
    name: "optional sources that are missing leave the variable out",
    container: {
      envFrom: [
        { configMapRef: { name: "absent", optional: true } },
        { secretRef: { name: "absent", optional: true } },
      ],
      env: [
        one("A", { configMapKeyRef: { name: "absent", key: "k", optional: true } }),
        one("B", { configMapKeyRef: { name: "settings", key: "absent", optional: true } }),
        one("C", { secretKeyRef: { name: "login", key: "absent", optional: true } }),
      ],
    },
    environment: [],
  },
  { name: "fieldRef metadata.name", container: { env: [field("metadata.name")] }, environment: [["X", "web"]] },
  { name: "fieldRef one label", container: { env: [field("metadata.labels['app']")] }, environment: [["X", "web"]] },
  { name: "fieldRef no such label", container: { env: [field("metadata.labels['x']")] }, environment: [["X", ""]] },
  { name: "fieldRef spec.nodeName", container: { env: [field("spec.nodeName")] }, environment: [["X", "edge-1"]] },
  { name: "fieldRef status.podIP", container: { env: [field("status.podIP")] }, environment: [["X", "10.22.0.3"]] },
  {
    name: "fieldRef status.hostIPs",
    container: { env: [field("status.hostIPs")] },
    environment: [["X", "10.0.0.7,fd00::7"]],
  },
  { name: "requests.cpu rounds up", container: { resources, env: [ask("requests.cpu")] }, environment: [["X", "1"]] },
  {
    name: "requests.cpu in thousandths",
    container: { resources, env: [ask("requests.cpu", "1m")] },
    environment: [["X", "250"]],
  },
  {
    name: "limits.memory in Mi rounds up",
    container: { resources, env: [ask("limits.memory", "1Mi")] },
    environment: [["X", "96"]],
  },
  {
    name: "a limit that is not set is all that the node gives",
    container: { resources, env: [ask("limits.cpu")] },
    environment: [["X", "2"]],
  },
  { name: "a divisor of 0 is 1", container: { resources, env: [ask("limits.cpu", "0")] }, environment: [["X", "2"]] },
];
for (const { name, container, environment } of cases)
  test(`environment: ${name}`, async () => assert.deepEqual(await environmentOf(container), environment));

const refusals: { name: string; container: Partial<Container>; message: RegExp }[] = [
  {
    name: "W-06b: a missing ConfigMap",
    container: { env: [one("A", { configMapKeyRef: { name: "absent", key: "k" } })] },
    message: /^configmap "absent" not found$/,
  },
  {
    name: "W-06b: a missing Secret of envFrom",
    container: { envFrom: [{ secretRef: { name: "absent" } }] },
    message: /^secret "absent" not found$/,
  },
  {
    name: "W-06b: a ConfigMap nobody can tell of, although optional",
    container: { envFrom: [{ configMapRef: { name: "offline", optional: true } }] },
    message: /^configmap "offline" is not stored on this node and could not be fetched: the cloud is not connected$/,
  },
  {
    name: "a missing key of a ConfigMap",
    container: { env: [one("A", { configMapKeyRef: { name: "empty", key: "k" } })] },
    message: /^couldn't find key k in ConfigMap shop\/empty$/,
  },
  {
    name: "a missing key of a Secret",
    container: { env: [one("A", { secretKeyRef: { name: "login", key: "k" } })] },
    message: /^couldn't find key k in Secret shop\/login$/,
  },
  { name: "an unknown field", container: { env: [field("spec.secret")] }, message: /unsupported fieldPath/ },
  { name: "an unknown resource", container: { env: [ask("limits.gpu")] }, message: /unsupported container resource/ },
  { name: "a NUL byte", container: { env: [{ name: "A", value: "a\0b" }] }, message: /A contains a NUL byte/ },
];
for (const { name, container, message } of refusals)
  test(`environment refuses ${name}`, () =>
    assert.rejects(environmentOf(container), (error: unknown) => {
      assert.ok(hasCode(error, "CreateContainerConfigError"));
      assert.match(error.message, message);
      return true;
    }));

test("downward API maps are sorted and quoted as Go's %q", () => {
  assert.equal(formatMap({ b: 'say "hi"\n\u0001', a: "é\u00a0日" }), 'a="é\\u00a0日"\nb="say \\"hi\\"\\n\\x01"');
  const pod = podWith({ name: "c" });
  assert.equal(fieldValue(pod, "metadata.annotations", facts), 'note="a \\"b\\"\\n"');
});

test("text without a dollar is what it was, and expansion never fails", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, value) => {
      const expanded = expandVariables(text, () => value);
      if (!text.includes("$")) assert.equal(expanded, text);
      assert.equal(
        expandVariables(text.replaceAll("$", "$$$$"), () => value),
        text,
      );
    }),
  );
});

test("command and args see the container's variables", () => {
  assert.deepEqual(expandArguments(["echo", "$(A)$(B)", "$$(A)"], [{ name: "A", value: "1" }]), [
    "echo",
    "1$(B)",
    "$(A)",
  ]);
});
