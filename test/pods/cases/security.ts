import type { PodSpec, SecurityContext } from "@kedge/kube";
import type { PodTheme, Step } from "../pod-case.ts";
import { NAMED_USER_IMAGE, OWN_MIND_IMAGE } from "../pod-fixtures.ts";
import { container, once, podOf, SERVE } from "../pods.ts";
import { becomes, containerBecomes, isReady, prints, shows, succeeds, warning } from "../steps.ts";

const secured = (script: string, securityContext: SecurityContext, spec: Partial<PodSpec> = {}) =>
  once({ script, securityContext }, spec);
const podSecured = (
  script: string,
  securityContext: NonNullable<PodSpec["securityContext"]>,
  spec: Partial<PodSpec> = {},
) => once({ script }, { securityContext, ...spec });
/** A line of the first process' status. */
const status = (field: string) => `grep '^${field}:' /proc/1/status | awk '{print $2}'`;
const refused = (message: RegExp): Step =>
  containerBecomes({ state: "waiting", reason: "CreateContainerConfigError", message });
const ALL = "000001fffeffffff";

export const USERS: PodTheme = {
  name: "users",
  cases: [
    {
      name: "user and group of the pod",
      core: true,
      pod: podSecured("id -u; id -g; id -G", { runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [3000, 3001] }),
      steps: [succeeds(), prints("1000\n2000\n2000 3000 3001\n")],
    },
    {
      name: "a container's user goes before the pod's",
      pod: once(
        { script: "id -u; id -g", securityContext: { runAsUser: 1001 } },
        { securityContext: { runAsUser: 1000, runAsGroup: 2000 } },
      ),
      steps: [succeeds(), prints("1001\n2000\n")],
    },
    {
      name: "without a user the image's counts",
      pod: podOf(
        [
          { image: NAMED_USER_IMAGE, script: "id -un; id -g" },
          { name: "other", image: OWN_MIND_IMAGE, script: "id -u" },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [succeeds(), prints("app\n1000\n"), prints("1000\n", { container: "other" })],
    },
    {
      name: "runAsNonRoot refuses an image that runs as root",
      core: true,
      pod: secured("exit 0", { runAsNonRoot: true }),
      steps: [refused(/^container has runAsNonRoot and image will run as root/), warning("Failed", /runAsNonRoot/)],
    },
    {
      name: "runAsNonRoot refuses user 0",
      pod: secured("exit 0", { runAsNonRoot: true, runAsUser: 0 }),
      steps: [refused(/^container's runAsUser breaks non-root policy/)],
    },
    {
      name: "runAsNonRoot refuses a user that the image tells by name",
      pod: once({ script: "exit 0", image: NAMED_USER_IMAGE, securityContext: { runAsNonRoot: true } }),
      steps: [
        refused(/^container has runAsNonRoot and image has non-numeric user \(app\), cannot verify user is non-root/),
      ],
    },
    {
      name: "runAsNonRoot takes a number that is not 0",
      pod: podOf(
        [
          { script: "id -u", securityContext: { runAsNonRoot: true, runAsUser: 7 } },
          { name: "other", image: OWN_MIND_IMAGE, script: "id -u", securityContext: { runAsNonRoot: true } },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [succeeds(), prints("7\n"), prints("1000\n", { container: "other" })],
    },
    {
      name: "the image's entry point, command, folder and variables count where the pod says nothing",
      pod: podOf(
        [
          { image: OWN_MIND_IMAGE },
          { name: "args", image: OWN_MIND_IMAGE, args: ["other"] },
          { name: "command", image: OWN_MIND_IMAGE, command: ["echo", "mine"] },
          { name: "rest", image: OWN_MIND_IMAGE, script: "pwd; echo $MIND" },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [
        succeeds(),
        prints("entry command\n"),
        prints("entry other\n", { container: "args" }),
        prints("mine\n", { container: "command" }),
        prints("/tmp\nown\n", { container: "rest" }),
      ],
    },
  ],
};

export const SECURITY: PodTheme = {
  name: "security",
  cases: [
    {
      name: "a read-only root file system",
      core: true,
      pod: secured("touch /a 2>&1; touch /dev/shm/a && echo shm", { readOnlyRootFilesystem: true }),
      steps: [succeeds(), prints(/Read-only file system\nshm\n/)],
    },
    {
      name: "allowPrivilegeEscalation: false sets no_new_privs, and without it nothing does",
      pod: podOf(
        [
          { script: status("NoNewPrivs"), securityContext: { allowPrivilegeEscalation: false } },
          { name: "other", script: status("NoNewPrivs") },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [succeeds(), prints("1\n"), prints("0\n", { container: "other" })],
    },
    {
      name: "the default capabilities",
      pod: secured(`${status("CapEff")}; ${status("CapBnd")}`, {}),
      steps: [succeeds(), prints("00000000a80425fb\n00000000a80425fb\n")],
    },
    {
      name: "capabilities are added and dropped",
      pod: podOf(
        [
          { script: status("CapEff"), securityContext: { capabilities: { drop: ["ALL"] } } },
          {
            name: "one",
            script: status("CapEff"),
            securityContext: { capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } },
          },
          {
            name: "fewer",
            script: status("CapEff"),
            securityContext: { capabilities: { drop: ["CHOWN"], add: ["SYS_TIME"] } },
          },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [
        succeeds(),
        prints("0000000000000000\n"),
        prints("0000000000001000\n", { container: "one" }),
        prints("00000000aa0425fa\n", { container: "fewer" }),
      ],
    },
    {
      name: "who is not root has no effective capabilities",
      pod: secured(status("CapEff"), { runAsUser: 1000 }),
      steps: [succeeds(), prints("0000000000000000\n")],
    },
    {
      name: "a privileged container has all that the node has",
      pod: secured(`${status("CapEff")}; ls /dev | grep -c . | awk '{print ($1 > 20)}'; ${status("Seccomp")}`, {
        privileged: true,
      }),
      steps: [
        (run) =>
          run.eventually(async () => {
            const log = await run.log("main");
            return log.startsWith(ALL) && log.endsWith("\n1\n0\n")
              ? undefined
              : `it prints ${log}, ${run.recorded.digests.at(-1)?.phase}`;
          }),
      ],
    },
    {
      name: "seccomp: unconfined, unless asked for",
      pod: podOf(
        [
          { script: status("Seccomp") },
          {
            name: "default",
            script: status("Seccomp"),
            securityContext: { seccompProfile: { type: "RuntimeDefault" } },
          },
          { name: "free", script: status("Seccomp"), securityContext: { seccompProfile: { type: "Unconfined" } } },
        ],
        { restartPolicy: "Never" },
      ),
      steps: [succeeds(), prints("0\n"), prints("2\n", { container: "default" }), prints("0\n", { container: "free" })],
    },
    {
      name: "the pod's seccomp profile counts for its containers",
      pod: podSecured(status("Seccomp"), { seccompProfile: { type: "RuntimeDefault" } }),
      steps: [succeeds(), prints("2\n")],
    },
    {
      name: "a seccomp profile that is not at the node",
      pod: secured("exit 0", { seccompProfile: { type: "Localhost", localhostProfile: "none.json" } }),
      steps: [containerBecomes({ state: "waiting", reason: "CreateContainerError", message: /none\.json/ })],
    },
    {
      name: "parts of /proc are hidden or read-only",
      pod: secured(
        "wc -c < /proc/timer_list; touch /proc/sys/kernel/hostname 2>&1 | grep -c -e Read-only -e denied; mount | grep -c ' /proc/sys '",
        {},
      ),
      steps: [succeeds(), prints(/\n1\n$/)],
    },
    {
      name: "safe sysctls are set in the pod",
      pod: podSecured("cat /proc/sys/net/ipv4/ip_unprivileged_port_start", {
        sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "80" }],
      }),
      steps: [succeeds(), prints("80\n")],
    },
    {
      name: "an unsafe sysctl that the node does not allow is refused",
      core: true,
      pod: podSecured("exit 0", { sysctls: [{ name: "kernel.msgmax", value: "65536" }] }),
      steps: [
        becomes({
          phase: "Failed",
          reason: "SysctlForbidden",
          message: /forbidden sysctl: "kernel\.msgmax" not allowlisted/,
        }),
        warning("SysctlForbidden", /forbidden sysctl/),
      ],
    },
    {
      name: "an unsafe sysctl that the node allows is set",
      pod: podSecured("cat /proc/sys/net/core/somaxconn", { sysctls: [{ name: "net.core.somaxconn", value: "777" }] }),
      steps: [succeeds(), prints("777\n")],
    },
    {
      name: "AppArmor, where the node has none, is refused",
      pod: secured("exit 0", { appArmorProfile: { type: "RuntimeDefault" } }),
      steps: [
        becomes({
          phase: "Failed",
          reason: "AppArmor",
          message: /Cannot enforce AppArmor: AppArmor is not enabled on the host/,
        }),
      ],
    },
    {
      name: "AppArmor unconfined is nothing",
      pod: secured("echo ok", { appArmorProfile: { type: "Unconfined" } }),
      steps: [succeeds(), prints("ok\n")],
    },
    {
      name: "each container has its own processes",
      pod: podOf(
        [
          { script: "echo $$$$; sleep 7777 & sleep 1" },
          { name: "other", script: "sleep 1; ps | grep -c '[s]leep 7777'" },
        ],
        {
          restartPolicy: "Never",
          initContainers: [],
        },
      ),
      steps: [becomes({ phase: "Failed" }), prints("1\n"), prints("0\n", { container: "other" })],
    },
    {
      name: "shareProcessNamespace: containers see each other",
      pod: podOf([{ script: SERVE }, { name: "other", script: "sleep 7777" }], { shareProcessNamespace: true }),
      steps: [
        isReady(),
        shows("ps | grep -c '[s]leep 7777'", "1"),
        shows("cat /proc/1/comm", /^(pause|sh|busybox)\n$/),
      ],
    },
    {
      name: "hostPID: the node's processes",
      pod: podOf([{ script: SERVE }], { hostPID: true }),
      steps: [
        isReady(),
        shows("[ $(ls /proc | grep -c '^[0-9]') -gt 10 ] && echo many", "many"),
        shows("[ $$ -gt 1 ] && echo yes", "yes"),
      ],
    },
    {
      name: "hostIPC: the node's queues",
      pod: podOf([{ script: "readlink /proc/self/ns/ipc" }], { hostIPC: true, restartPolicy: "Never" }),
      steps: [
        succeeds(),
        async (run) => {
          const { readlink } = await import("node:fs/promises");
          const ours = await readlink("/proc/self/ns/ipc");
          await run.eventually(async () => ((await run.log("main")) === `${ours}\n` ? undefined : "it is another"));
        },
      ],
    },
    {
      name: "containers of a pod share network and IPC, not their files",
      pod: podOf([{ script: `touch /only-here; ${SERVE}` }, { name: "other", script: SERVE }]),
      steps: [
        isReady(),
        async (run) => {
          const of = async (name: string) =>
            (
              await run.exec(name, [
                "sh",
                "-c",
                "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts",
              ])
            ).stdout;
          const [one, two] = [await of("main"), await of("other")];
          if (one !== two) throw new Error(`${one} and ${two}`);
        },
        shows("ls /only-here 2>/dev/null || echo none", "none", "other"),
      ],
    },
    {
      name: "a user namespace, which this runtime cannot make, keeps the pod pending",
      pod: once({ script: "exit 0" }, { hostUsers: false }),
      steps: [warning("FailedCreatePodSandBox"), becomes({ phase: "Pending" })],
    },
    {
      name: "fsGroupChangePolicy",
      pod: podOf([{ script: "stat -c %g /v", volumeMounts: [{ name: "v", mountPath: "/v" }] }], {
        restartPolicy: "Never",
        securityContext: { fsGroup: 999, fsGroupChangePolicy: "OnRootMismatch" },
        volumes: [{ name: "v", emptyDir: {} }],
      }),
      steps: [succeeds(), prints("999\n")],
    },
    {
      name: "procMount Default is the default",
      pod: secured("ls /proc/acpi 2>/dev/null | wc -l", { procMount: "Default" }),
      steps: [succeeds(), prints("0\n")],
    },
    {
      name: "container main is told apart by its security context alone",
      pod: podOf(
        [
          container({ script: "id -u", securityContext: { runAsUser: 1 } }),
          container({ name: "other", script: "id -u", securityContext: { runAsUser: 2 } }),
        ],
        { restartPolicy: "Never" },
      ),
      steps: [succeeds(), prints("1\n"), prints("2\n", { container: "other" })],
    },
  ],
};
