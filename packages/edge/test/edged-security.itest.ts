import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ContainerState } from "@kedge/cri";
import type { Container, PodSpec } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;
const NONE = { handlers: {}, supplementalGroupsPolicy: false };

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  const node = { runtimeFeatures: () => NONE };
  edged = scope.use(
    await startTestEdged(containerd, { relistIntervalMs: 1_000, node, allowedUnsafeSysctls: ["kernel.msg*"] }),
  );
  const profiles = join(edged.config.rootDirectory, "seccomp");
  await mkdir(profiles, { recursive: true });
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
  };
  await writeFile(join(profiles, "no-mkdir.json"), JSON.stringify(profile));
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(20_000);

/** What a pod's first container finds. */
async function inside(
  name: string,
  script: string,
  container: Partial<Container>,
  spec: Partial<PodSpec> = {},
): Promise<string> {
  const { meta } = edged;
  const app = { name: "app", image: TEST_IMAGE, command: ["sh", "-c", SERVE], ...container };
  meta.apply(podOf(name, SERVE, { containers: [app], ...spec }));
  await meta.untilReady(name);
  const all = await containerd.client.runtime.listContainers({ "io.kubernetes.pod.name": name }, signal());
  const id = all.find(
    ({ state, metadata }) => state === ContainerState.CONTAINER_RUNNING && metadata?.name === "app",
  )?.id;
  const { stdout, stderr } = await containerd.client.runtime.execSync(id ?? "", ["sh", "-c", script], 5, signal());
  return (Buffer.from(stdout).toString() + Buffer.from(stderr).toString()).trim();
}

const status = (member: string) => `sed -n 's/^${member}:[[:space:]]*//p' /proc/1/status`;

test("user, groups and rights are those that the pod names", options, async () => {
  const spec: Partial<PodSpec> = {
    securityContext: {
      runAsUser: 1000,
      runAsGroup: 2000,
      fsGroup: 3000,
      supplementalGroups: [4000],
      runAsNonRoot: true,
    },
  };
  const own: Partial<Container> = {
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  };
  const found = await inside(
    "shut-in",
    `id -u; id -g; id -G; touch /x; ${status("NoNewPrivs")}; ${status("CapEff")}; ${status("Seccomp")}`,
    own,
    spec,
  );
  assert.match(found, /^1000\n2000\n2000 3000 4000\n/);
  assert.match(found, /Read-only file system/);
  assert.match(found, /\n1\n0000000000000000\n/);
});

test("a container may have rights added, or all of them", options, async () => {
  const added = { securityContext: { capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } } };
  assert.equal(await inside("one-right", status("CapEff"), added), "0000000000001000");
  const privileged = { securityContext: { privileged: true } };
  const found = await inside(
    "privileged",
    `test -w /proc/sys/kernel/hostname && ls /dev | grep -c .; ${status("Seccomp")}`,
    privileged,
  );
  const [devices = "", seccomp] = found.split("\n");
  assert.ok(Number(devices) > 20, found);
  assert.equal(seccomp, "0");
});

test("seccomp: the runtime's filter, a file's, or none", options, async () => {
  const of = (type: string, localhostProfile?: string): Partial<Container> => ({
    securityContext: { seccompProfile: { type, ...(localhostProfile !== undefined && { localhostProfile }) } },
  });
  assert.equal(await inside("default-filter", status("Seccomp"), of("RuntimeDefault")), "2");
  assert.equal(await inside("no-filter", status("Seccomp"), of("Unconfined")), "0");
  assert.match(await inside("own-filter", "mkdir /tmp/x", of("Localhost", "no-mkdir.json")), /Operation not permitted/);
});

test("masked files show nothing, unless the pod wants them", options, async () => {
  const script = "grep -c ' /proc/timer_list \\| /proc/sys ' /proc/self/mounts";
  assert.equal(await inside("masked", script, {}), "2");
  assert.equal(await inside("unmasked", script, { securityContext: { procMount: "Unmasked" } }), "0");
});

test("kernel settings are the pod's own; unsafe ones need the node's word", options, async () => {
  const sysctls = [
    { name: "net.ipv4.ip_unprivileged_port_start", value: "99" },
    { name: "kernel/msgmax", value: "65000" },
  ];
  const found = await inside(
    "settings",
    "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax",
    {},
    { securityContext: { sysctls } },
  );
  assert.equal(found, "99\n65000");
  edged.meta.apply(
    podOf("unsafe", SERVE, { securityContext: { sysctls: [{ name: "kernel.sem", value: "1 1 1 1" }] } }),
  );
  const { status: refused } = await edged.meta.untilPhase("unsafe", "Failed");
  assert.equal(refused?.reason, "SysctlForbidden");
});

test("namespaces are shared as the pod says", options, async () => {
  const spec: Partial<PodSpec> = { shareProcessNamespace: true };
  assert.match(await inside("shared", "ps | head -3", {}, spec), /pause/);
  const host = await inside(
    "on-host",
    "hostname; ls /proc | grep -c '^[0-9]'",
    {},
    { hostNetwork: true, hostPID: true, hostIPC: true },
  );
  const [name, processes = ""] = host.split("\n");
  assert.equal(name, hostname());
  assert.ok(Number(processes) > 10);
});

test("what this node cannot enforce is refused, with the reason", options, async () => {
  const { meta } = edged;
  const strict = { supplementalGroupsPolicy: "Strict" } as NonNullable<PodSpec["securityContext"]>;
  meta.apply(podOf("strict-groups", SERVE, { securityContext: strict }));
  assert.equal(
    (await meta.untilPhase("strict-groups", "Failed")).status?.reason,
    "SupplementalGroupsPolicyNotSupported",
  );
  meta.apply(podOf("own-users", SERVE, { hostUsers: false } as Partial<PodSpec>));
  await meta.until(() =>
    meta.events.some(
      ({ reason, message = "" }) =>
        reason === "FailedCreatePodSandBox" && message.includes("does not support user namespaces"),
    ),
  );
  assert.equal(meta.get("own-users")?.status?.phase, "Pending");
});

test(
  "W-24: a pod's runtime class is looked up; one that is not there, or that the runtime does not know, is told of",
  options,
  async () => {
    const { meta } = edged;
    meta.runtimeClasses.set("plain", { metadata: { name: "plain" }, handler: "runc" });
    meta.runtimeClasses.set("strange", { metadata: { name: "strange" }, handler: "unheard-of" });
    meta.apply(podOf("plain", SERVE, { runtimeClassName: "plain" }));
    await meta.untilReady("plain");
    const told = (text: RegExp) =>
      meta.until(() =>
        meta.events.some(({ reason, message = "" }) => reason === "FailedCreatePodSandBox" && text.test(message)),
      );
    meta.apply(podOf("strange", SERVE, { runtimeClassName: "strange" }));
    await told(/unheard-of/);
    meta.apply(podOf("classless", SERVE, { runtimeClassName: "missing" }));
    await told(/RuntimeClass "missing" not found/);
    meta.runtimeClasses.set("missing", { metadata: { name: "missing" }, handler: "runc" });
    await meta.untilReady("classless");
  },
);
