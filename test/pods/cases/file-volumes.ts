import { basename } from "node:path";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type PersistentVolume,
  type PersistentVolumeClaim,
} from "@kedge/kube";
import { V, reads, serves } from "./mounted.ts";
import type { Given, PodTheme } from "../pod-case.ts";
import { container, once, podOf } from "../pods.ts";
import { becomes, containerBecomes, isReady, kills, leaves, prints, runs, shows, succeeds, warning } from "../steps.ts";
import { configMap, secret } from "./objects.ts";

export const FILE_VOLUMES: PodTheme = {
  name: "volumes of files",
  cases: [
    {
      name: "an emptyDir is shared by containers, and all may write",
      core: true,
      pod: podOf(
        [
          {
            script: "stat -c %a /v; echo one > /v/a; until [ -e /v/b ]; do sleep 0.1; done; cat /v/b",
            volumeMounts: V,
          },
          {
            name: "other",
            script: "until [ -e /v/a ]; do sleep 0.1; done; cat /v/a; echo two > /v/b",
            volumeMounts: V,
          },
        ],
        { restartPolicy: "Never", volumes: [{ name: "v", emptyDir: {} }] },
      ),
      steps: [succeeds(), prints("777\ntwo\n"), prints("one\n", { container: "other" })],
    },
    {
      name: "an emptyDir outlives a container",
      pod: serves({ emptyDir: {} }),
      steps: [
        isReady(),
        runs("echo kept > /v/a"),
        kills(),
        containerBecomes({ state: "running", restarts: 1 }),
        shows("cat /v/a", "kept"),
      ],
    },
    {
      name: "an emptyDir in memory is a tmpfs of the size asked for",
      pod: reads("grep ' /v ' /proc/mounts | cut -d' ' -f3; df -k /v | tail -n1 | awk '{print $2}'; stat -c %a /v", {
        emptyDir: { medium: "Memory", sizeLimit: "8Mi" },
      }),
      steps: [succeeds(), prints("tmpfs\n8192\n1777\n")],
    },
    {
      name: "who fills an emptyDir beyond its limit is evicted",
      unsteady: "a kubelet may forget the reason when the container ends at once, and well",
      pod: serves({ emptyDir: { sizeLimit: "1Mi" } }),
      steps: [
        isReady(),
        runs("dd if=/dev/zero of=/v/a bs=1M count=3"),
        becomes({
          phase: "Failed",
          reason: "Evicted",
          message: /Usage of EmptyDir volume "v" exceeds the limit "1Mi"/,
        }),
        warning("Evicted"),
      ],
      timeoutSeconds: 150,
    },
    {
      name: "a hostPath is the node's folder",
      pod: ({ scratch }) =>
        podOf([{ script: "cat /v/a; echo written > /v/b", volumeMounts: V }], {
          restartPolicy: "Never",
          initContainers: [container({ name: "first", script: "echo here > /v/a", volumeMounts: V })],
          volumes: [{ name: "v", hostPath: { path: `${scratch}/one`, type: "DirectoryOrCreate" } }],
        }),
      steps: [succeeds(), prints("here\n")],
    },
    {
      name: "a hostPath of the wrong type keeps the pod pending",
      pod: ({ scratch }) => serves({ hostPath: { path: `${scratch}/none`, type: "Directory" } }),
      steps: [
        warning("FailedMount", /hostPath type check failed: .*\/none is not a directory/),
        becomes({ phase: "Pending" }),
        containerBecomes({ state: "waiting", reason: "ContainerCreating" }),
      ],
    },
    {
      name: "hostPath FileOrCreate makes an empty file",
      pod: ({ scratch }) =>
        reads("stat -c '%F %a' /v", { hostPath: { path: `${scratch}-file`, type: "FileOrCreate" } }),
      steps: [succeeds(), prints("regular empty file 644\n")],
    },
    {
      name: "a hostPath without a type may be missing, and becomes a folder",
      pod: ({ scratch }) => reads("stat -c %F /v", { hostPath: { path: `${scratch}/untyped` } }),
      steps: [succeeds(), prints("directory\n")],
    },
    {
      name: "a read-only mount cannot be written",
      pod: reads("touch /v/a 2>/dev/null && echo yes || echo no", { emptyDir: {} }, { readOnly: true }),
      steps: [succeeds(), prints("no\n")],
    },
    {
      name: "subPath mounts a folder of the volume, which is made if it is not there",
      pod: podOf(
        [
          {
            script: "ls /whole; cat /part/file",
            volumeMounts: [
              { name: "v", mountPath: "/whole" },
              { name: "v", mountPath: "/part", subPath: "a/b" },
            ],
          },
        ],
        {
          restartPolicy: "Never",
          initContainers: [
            container({
              name: "first",
              script: "echo x > /p/file",
              volumeMounts: [{ name: "v", mountPath: "/p", subPath: "a/b" }],
            }),
          ],
          volumes: [{ name: "v", emptyDir: {} }],
        },
      ),
      steps: [succeeds(), prints("a\nx\n")],
    },
    {
      name: "subPathExpr has variables",
      pod: once(
        {
          script: "ls /whole",
          env: [{ name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          volumeMounts: [
            { name: "v", mountPath: "/whole" },
            { name: "v", mountPath: "/part", subPathExpr: "logs-$(NAME)" },
          ],
        },
        { volumes: [{ name: "v", emptyDir: {} }] },
      ),
      steps: [succeeds(), prints("logs-pod\n")],
    },
    {
      name: "subPathExpr with an unknown variable keeps the container waiting",
      pod: serves({ emptyDir: {} }, { subPathExpr: "$(NONE)" }),
      steps: [containerBecomes({ state: "waiting", reason: "CreateContainerConfigError", message: /NONE/ })],
    },
    {
      name: "a subPath through a link that leaves the volume is refused",
      pod: podOf([{ volumeMounts: [{ name: "v", mountPath: "/part", subPath: "out" }] }], {
        initContainers: [container({ name: "first", script: "ln -s /etc /v/out", volumeMounts: V })],
        volumes: [{ name: "v", emptyDir: {} }],
      }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CreateContainerConfigError",
          message: /failed to prepare subPath for volumeMount "v" of container "main"/,
        }),
      ],
    },
    {
      name: "one volume may be mounted inside another",
      given: [configMap("settings", { a: "1" })],
      pod: once(
        {
          script: "touch /v/x; cat /v/inner/a",
          volumeMounts: [
            { name: "v", mountPath: "/v" },
            { name: "inner", mountPath: "/v/inner" },
          ],
        },
        {
          volumes: [
            { name: "v", emptyDir: {} },
            { name: "inner", configMap: { name: "settings" } },
          ],
        },
      ),
      steps: [succeeds(), prints("1")],
    },
    {
      name: "fsGroup owns what is in a volume, and new files are its, too",
      pod: once(
        {
          script: "stat -c '%g %a' /v; touch /v/a; stat -c '%u %g' /v/a; id -G",
          volumeMounts: V,
        },
        {
          securityContext: { fsGroup: 4321, runAsUser: 1000, runAsGroup: 3000 },
          volumes: [{ name: "v", emptyDir: {} }],
        },
      ),
      steps: [succeeds(), prints("4321 2777\n1000 4321\n3000 4321\n")],
    },
    {
      name: "fsGroup may read Secrets and ConfigMaps",
      given: [secret("keys", { word: "sesame" })],
      pod: once(
        { script: "stat -Lc '%u %g %a' /v/word; cat /v/word", volumeMounts: V },
        {
          securityContext: { fsGroup: 4321, runAsUser: 1000 },
          volumes: [{ name: "v", secret: { secretName: "keys", defaultMode: 0o400 } }],
        },
      ),
      steps: [succeeds(), prints("0 4321 440\nsesame")],
    },
    {
      name: "a missing claim keeps the pod pending",
      pod: serves({ persistentVolumeClaim: { claimName: "none" } }),
      steps: [warning("FailedMount", /persistentvolumeclaims? "none" not found/), becomes({ phase: "Pending" })],
    },
    {
      name: "a claim that is bound to a volume of the node",
      core: true,
      pod: serves({ persistentVolumeClaim: { claimName: "claim" } }),
      givenOf: ({ scratch }) => claimed(scratch),
      steps: [isReady(), runs("echo kept > /v/a"), leaves("a", "kept\n")],
    },
    {
      name: "a claim that is not bound yet keeps the pod pending, and starts it when it is",
      pod: serves({ persistentVolumeClaim: { claimName: "claim" } }),
      givenOf: ({ scratch }) => claimed(scratch).slice(1),
      steps: [
        warning("FailedMount"),
        becomes({ phase: "Pending" }),
        async (run) => {
          const [volume] = claimed(run.fixtures.scratch);
          if (volume !== undefined) await run.target.kube.create(volume.type, volume.object, run.signal);
        },
        isReady(),
      ],
      timeoutSeconds: 150,
    },
    {
      name: "restarted containers find their volumes again",
      given: [configMap("settings", { a: "1" })],
      pod: serves({ configMap: { name: "settings" } }),
      steps: [isReady(), kills("SIGKILL"), containerBecomes({ restarts: 1, state: "running" }), shows("cat /v/a", "1")],
    },
    {
      name: "recursive read-only where the runtime can, is read-only where it cannot",
      pod: reads(
        "touch /v/a 2>/dev/null || echo no",
        { emptyDir: {} },
        { readOnly: true, recursiveReadOnly: "IfPossible" },
      ),
      steps: [succeeds(), prints("no\n")],
    },
  ],
};

/** A volume that is a folder of the node, and a claim that is for it. */
function claimed(path: string): Given[] {
  const name = `volume-of-${basename(path)}`;
  const size = { storage: "1Gi" };
  const shared = { accessModes: ["ReadWriteOnce"], storageClassName: "" };
  const volume: PersistentVolume = {
    metadata: { name },
    spec: { ...shared, capacity: size, hostPath: { path, type: "DirectoryOrCreate" } },
  };
  const claim: PersistentVolumeClaim = {
    metadata: { name: "claim" },
    spec: { ...shared, volumeName: name, resources: { requests: size } },
  };
  return [
    { type: PERSISTENT_VOLUMES, object: volume, cluster: true },
    { type: PERSISTENT_VOLUME_CLAIMS, object: claim },
  ];
}
