import assert from "node:assert/strict";
import { test } from "node:test";
import { NamespaceMode, SecurityProfileType } from "@kedge/cri";
import type { Pod, PodSecurityContext, SecurityContext } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { containerSecurityContext, type ImageUser } from "./container-security-context.ts";
import { sandboxSecurityContext, sandboxSysctls } from "./sandbox-security-context.ts";
import { sysctlRefusal } from "./sysctl-admission.ts";

type Spec = Partial<NonNullable<Pod["spec"]>>;

function podWith(own: SecurityContext, whole: PodSecurityContext = {}, spec: Spec = {}): Pod {
  return {
    metadata: { name: "web", namespace: "shop", uid: "u-1" },
    spec: { containers: [{ name: "c", securityContext: own }], securityContext: whole, ...spec },
  };
}

function contextOf(own: SecurityContext, whole?: PodSecurityContext, image: ImageUser = {}) {
  const pod = podWith(own, whole);
  const [container] = pod.spec?.containers ?? [];
  assert.ok(container);
  return containerSecurityContext(pod, container, image, { profileDirectory: "/var/lib/kubelet/seccomp" });
}

test("a container that asks for nothing runs as its image says, with the usual masks", () => {
  const context = contextOf({}, {}, { uid: 1000n });
  assert.deepEqual(context.runAsUser, { value: 1000n });
  assert.equal(context.privileged, false);
  assert.equal(context.noNewPrivs, false);
  assert.ok(context.maskedPaths?.includes("/proc/kcore"));
  assert.ok(context.readonlyPaths?.includes("/proc/sys"));
  assert.deepEqual(context.seccomp, { profileType: SecurityProfileType.Unconfined });
  assert.deepEqual(context.namespaceOptions, {
    network: NamespaceMode.POD,
    pid: NamespaceMode.CONTAINER,
    ipc: NamespaceMode.POD,
  });
});

const users: { name: string; own: SecurityContext; whole?: PodSecurityContext; image: ImageUser; expected: object }[] =
  [
    { name: "the image's name", own: {}, image: { username: "nobody" }, expected: { name: "nobody" } },
    { name: "root when nobody says", own: {}, image: {}, expected: { uid: 0n } },
    { name: "the pod's", own: {}, whole: { runAsUser: 5 }, image: { uid: 7n }, expected: { uid: 5n } },
    {
      name: "its own before the pod's",
      own: { runAsUser: 6 },
      whole: { runAsUser: 5 },
      image: {},
      expected: { uid: 6n },
    },
    {
      name: "with a group of the pod's",
      own: { runAsUser: 0 },
      whole: { runAsGroup: 9 },
      image: { username: "nobody" },
      expected: { uid: 0n, gid: 9n },
    },
  ];
for (const { name, own, whole, image, expected } of users)
  test(`user: ${name}`, () => {
    const { runAsUser, runAsUsername, runAsGroup } = contextOf(own, whole, image);
    assert.deepEqual(
      {
        ...(runAsUser && { uid: runAsUser.value }),
        ...(runAsUsername !== undefined && { name: runAsUsername }),
        ...(runAsGroup && { gid: runAsGroup.value }),
      },
      expected,
    );
  });

const nonRoot: {
  name: string;
  own: SecurityContext;
  whole?: PodSecurityContext;
  image: ImageUser;
  message?: RegExp;
}[] = [
  { name: "a uid in the spec", own: { runAsNonRoot: true, runAsUser: 1 }, image: {} },
  { name: "a uid in the image", own: { runAsNonRoot: true }, image: { uid: 65_534n } },
  { name: "switched off for one container", own: { runAsNonRoot: false }, whole: { runAsNonRoot: true }, image: {} },
  {
    name: "root in the spec",
    own: { runAsUser: 0 },
    whole: { runAsNonRoot: true },
    image: {},
    message: /^container's runAsUser breaks non-root policy \(pod: "web_shop\(u-1\)", container: c\)$/,
  },
  {
    name: "root in the image",
    own: { runAsNonRoot: true },
    image: { uid: 0n },
    message: /^container has runAsNonRoot and image will run as root \(pod: "web_shop\(u-1\)", container: c\)$/,
  },
  {
    name: "an image without a user",
    own: { runAsNonRoot: true },
    image: {},
    message: /image will run as root/,
  },
  {
    name: "a name in the image",
    own: { runAsNonRoot: true },
    image: { username: "app" },
    message: /^container has runAsNonRoot and image has non-numeric user \(app\), cannot verify user is non-root/,
  },
];
for (const { name, own, whole, image, message } of nonRoot)
  test(`runAsNonRoot: ${name} is ${message === undefined ? "fine" : "refused"}`, () => {
    if (message === undefined) contextOf(own, whole, image);
    else
      assert.throws(
        () => contextOf(own, whole, image),
        (error: unknown) => {
          assert.ok(hasCode(error, "CreateContainerConfigError"));
          assert.match(error.message, message);
          return true;
        },
      );
  });

test("rights are passed on", () => {
  const context = contextOf(
    {
      privileged: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      procMount: "Unmasked",
      capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] },
      seLinuxOptions: { level: "s0" },
    },
    { fsGroup: 100, supplementalGroups: [200, 300] },
  );
  assert.deepEqual(
    [context.privileged, context.readonlyRootfs, context.noNewPrivs, context.maskedPaths, context.readonlyPaths],
    [true, true, true, [], []],
  );
  assert.deepEqual(context.capabilities, { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] });
  assert.deepEqual(context.supplementalGroups, [100n, 200n, 300n]);
  assert.deepEqual(context.selinuxOptions, { level: "s0" });
});

const { RuntimeDefault, Unconfined, Localhost } = SecurityProfileType;
const profiles: { name: string; own: SecurityContext; whole?: PodSecurityContext; expected: object | undefined }[] = [
  {
    name: "the pod's",
    own: {},
    whole: { seccompProfile: { type: "RuntimeDefault" } },
    expected: { profileType: RuntimeDefault },
  },
  {
    name: "its own before the pod's",
    own: { seccompProfile: { type: "Unconfined" } },
    whole: { seccompProfile: { type: "RuntimeDefault" } },
    expected: { profileType: Unconfined },
  },
  {
    name: "a file of the node",
    own: { seccompProfile: { type: "Localhost", localhostProfile: "profiles/audit.json" } },
    expected: { profileType: Localhost, localhostRef: "/var/lib/kubelet/seccomp/profiles/audit.json" },
  },
  { name: "a file without a name", own: { seccompProfile: { type: "Localhost" } }, expected: undefined },
  {
    name: "a file elsewhere",
    own: { seccompProfile: { type: "Localhost", localhostProfile: "../../../etc/x" } },
    expected: undefined,
  },
];
for (const { name, own, whole, expected } of profiles)
  test(`seccomp: ${name}`, () => {
    if (expected === undefined) assert.throws(() => contextOf(own, whole), { code: "CreateContainerConfigError" });
    else assert.deepEqual(contextOf(own, whole).seccomp, expected);
  });

test("the sandbox shares what the pod shares and has no more rights than needed", () => {
  const spec: Spec = { hostNetwork: true, shareProcessNamespace: true, hostIPC: true };
  const context = sandboxSecurityContext(podWith({ privileged: true }, { runAsUser: 5, fsGroup: 7 }, spec));
  assert.equal(context.privileged, true);
  assert.deepEqual(context.namespaceOptions, {
    network: NamespaceMode.NODE,
    pid: NamespaceMode.POD,
    ipc: NamespaceMode.NODE,
  });
  assert.deepEqual([context.runAsUser, context.supplementalGroups], [{ value: 5n }, [7n]]);
  assert.deepEqual(context.seccomp, { profileType: RuntimeDefault });
  const hostPid = sandboxSecurityContext(podWith({}, {}, { hostPID: true }));
  assert.equal(hostPid.namespaceOptions?.pid, NamespaceMode.NODE);
});

for (const [name, pod] of [
  ["a user namespace", podWith({}, {}, { hostUsers: false })],
  ["strict groups", podWith({}, Object.assign({ fsGroup: 1 }, { supplementalGroupsPolicy: "Strict" }))],
] as const)
  test(`the sandbox is refused ${name} that this node cannot give, instead of running with less`, () =>
    assert.throws(() => sandboxSecurityContext(pod), { code: "CreateContainerConfigError" }));

test("sysctls with slashes are written with dots", () => {
  const sysctls = [
    { name: "net/ipv4/conf/eth0.100/forwarding", value: "1" },
    { name: "kernel.shm_rmid_forced", value: "0" },
  ];
  assert.deepEqual(sandboxSysctls(podWith({}, { sysctls })), {
    "net.ipv4.conf.eth0/100.forwarding": "1",
    "kernel.shm_rmid_forced": "0",
  });
});

const sysctlCases: { name: string; sysctl: string; spec?: Spec; allowed?: string[]; refused: boolean }[] = [
  { name: "a safe one", sysctl: "net.ipv4.tcp_syncookies", refused: false },
  { name: "an unsafe one", sysctl: "kernel.msgmax", refused: true },
  { name: "an unsafe one that the node allows", sysctl: "kernel.msgmax", allowed: ["kernel.msg*"], refused: false },
  {
    name: "a network one on the host's network",
    sysctl: "net/ipv4/tcp_syncookies",
    spec: { hostNetwork: true },
    refused: true,
  },
  { name: "an IPC one with the host's IPC", sysctl: "kernel.shm_rmid_forced", spec: { hostIPC: true }, refused: true },
];
for (const { name, sysctl, spec, allowed, refused } of sysctlCases)
  test(`sysctl: ${name} is ${refused ? "refused" : "admitted"}`, () => {
    const pod = podWith({}, { sysctls: [{ name: sysctl, value: "1" }] }, spec);
    assert.equal(sysctlRefusal(pod, allowed) !== undefined, refused);
  });
