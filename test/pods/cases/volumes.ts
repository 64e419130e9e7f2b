import { CONFIG_MAPS, type Container, SECRETS, type Volume } from "@kedge/kube";
import type { PodTheme } from "../pod-case.ts";
import { container, lasting, once, podOf } from "../pods.ts";
import {
  becomes,
  changes,
  changesPod,
  containerBecomes,
  isReady,
  kills,
  makes,
  prints,
  runs,
  shows,
  succeeds,
  warning,
} from "../steps.ts";
import { configMap, secret } from "./objects.ts";

/** A container with one volume at `/v`, and the volume. */
function mounted(script: string, volume: Omit<Volume, "name">, mount: object = {}): [Partial<Container>, Volume[]] {
  const volumeMounts = [{ name: "v", mountPath: "/v", ...mount }];
  return [container({ script, volumeMounts }), [{ name: "v", ...volume }]];
}

const V = [{ name: "v", mountPath: "/v" }];

function reads(script: string, volume: Omit<Volume, "name">, mount?: object) {
  const [main, volumes] = mounted(script, volume, mount);
  return once(main, { volumes });
}

function serves(volume: Omit<Volume, "name">, mount: object = {}) {
  return lasting({ volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] }, { volumes: [{ name: "v", ...volume }] });
}

export const OBJECT_VOLUMES: PodTheme = {
  name: "volumes of objects",
  cases: [
    {
      name: "a ConfigMap's keys are files",
      core: true,
      given: [configMap("settings", { a: "1", "b.txt": "two\n" })],
      pod: reads("ls /v; cat /v/a; echo; cat /v/b.txt; stat -Lc %a /v/a", { configMap: { name: "settings" } }),
      steps: [succeeds(), prints("a\nb.txt\n1\ntwo\n644\n")],
    },
    {
      name: "files are links into a folder that is replaced as a whole",
      given: [configMap("settings", { a: "1" })],
      pod: reads("readlink /v/a; readlink /v/..data | cut -c1-3", { configMap: { name: "settings" } }),
      steps: [succeeds(), prints("..data/a\n..2\n")],
    },
    {
      name: "a ConfigMap's binary data is there byte by byte",
      given: [configMap("settings", {}, { binaryData: { raw: Buffer.from([0, 255, 10, 1]).toString("base64") } })],
      pod: reads("od -An -tx1 /v/raw", { configMap: { name: "settings" } }),
      steps: [succeeds(), prints(" 00 ff 0a 01\n")],
    },
    {
      name: "items choose keys, paths and modes",
      given: [configMap("settings", { a: "1", b: "2" })],
      pod: reads("find /v -type l ! -name ..data | sort; cat /v/deep/er/a; stat -Lc %a /v/deep/er/a /v/b", {
        configMap: {
          name: "settings",
          items: [
            { key: "a", path: "deep/er/a", mode: 0o400 },
            { key: "b", path: "b" },
          ],
          defaultMode: 0o640,
        },
      }),
      steps: [succeeds(), prints("/v/b\n/v/deep\n1400\n640\n")],
    },
    {
      name: "a ConfigMap that is optional may be missing, and appears in the running container",
      pod: serves({ configMap: { name: "late", optional: true } }),
      steps: [isReady(), shows("ls /v", ""), makes(configMap("late", { a: "1" })), shows("cat /v/a", "1")],
      timeoutSeconds: 120,
    },
    {
      name: "a missing ConfigMap keeps the pod pending, and creating it starts it",
      core: true,
      pod: serves({ configMap: { name: "late" } }),
      steps: [
        warning("FailedMount", /MountVolume\.SetUp failed for volume "v" : configmap "late" not found/),
        containerBecomes({ state: "waiting", reason: "ContainerCreating" }),
        becomes({ phase: "Pending", conditions: { PodReadyToStartContainers: "False" } }),
        makes(configMap("late", { a: "1" })),
        isReady(),
        shows("cat /v/a", "1"),
      ],
    },
    {
      name: "an item whose key is missing keeps the pod pending",
      given: [configMap("settings", { a: "1" })],
      pod: serves({ configMap: { name: "settings", items: [{ key: "none", path: "x" }] } }),
      steps: [warning("FailedMount", /references non-existent config key: none/), becomes({ phase: "Pending" })],
    },
    {
      name: "an item that is missing in an optional ConfigMap is left out",
      given: [configMap("settings", { a: "1" })],
      pod: reads("ls /v", {
        configMap: {
          name: "settings",
          optional: true,
          items: [
            { key: "none", path: "x" },
            { key: "a", path: "y" },
          ],
        },
      }),
      steps: [succeeds(), prints("y\n")],
    },
    {
      name: "changed, added and removed keys reach the files",
      core: true,
      given: [configMap("settings", { a: "1", b: "2" })],
      pod: serves({ configMap: { name: "settings" } }),
      steps: [
        isReady(),
        changes(CONFIG_MAPS, "settings", { data: { a: "one", b: null, c: "3" } }),
        shows("cat /v/a /v/c; ls /v", "one3a\nc"),
      ],
      timeoutSeconds: 120,
    },
    {
      name: "a Secret's values are files in memory",
      given: [secret("keys", { word: "sesame" })],
      pod: reads("cat /v/word; echo; stat -Lc %a /v/word; grep ' /v ' /proc/mounts | cut -d' ' -f3", {
        secret: { secretName: "keys" },
      }),
      steps: [succeeds(), prints("sesame\n644\ntmpfs\n")],
    },
    {
      name: "a Secret's files have the modes asked for",
      given: [secret("keys", { a: "1", b: "2" })],
      pod: reads("stat -Lc %a /v/x /v/b", {
        secret: {
          secretName: "keys",
          defaultMode: 0o400,
          items: [
            { key: "a", path: "x", mode: 0o777 },
            { key: "b", path: "b" },
          ],
        },
      }),
      steps: [succeeds(), prints("777\n400\n")],
    },
    {
      name: "a change of a Secret reaches its file",
      given: [secret("keys", { word: "sesame" })],
      pod: serves({ secret: { secretName: "keys" } }),
      steps: [isReady(), changes(SECRETS, "keys", { stringData: { word: "open" } }), shows("cat /v/word", "open")],
      timeoutSeconds: 120,
    },
    {
      name: "a missing Secret keeps the pod pending",
      pod: serves({ secret: { secretName: "none" } }),
      steps: [
        warning("FailedMount", /MountVolume\.SetUp failed for volume "v" : secret "none" not found/),
        becomes({ phase: "Pending" }),
      ],
    },
    {
      name: "what is mounted by subPath is the file as it was",
      given: [configMap("settings", { a: "1" })],
      pod: lasting(
        {
          volumeMounts: [
            { name: "v", mountPath: "/etc/a.conf", subPath: "a" },
            { name: "v", mountPath: "/v" },
          ],
        },
        { volumes: [{ name: "v", configMap: { name: "settings" } }] },
      ),
      steps: [
        isReady(),
        shows("cat /etc/a.conf", "1"),
        changes(CONFIG_MAPS, "settings", { data: { a: "2" } }),
        shows("cat /v/a", "2"),
        shows("cat /etc/a.conf", "1"),
      ],
      timeoutSeconds: 120,
    },
    {
      name: "ConfigMap volumes cannot be written",
      given: [configMap("settings", { a: "1" })],
      pod: reads("touch /v/new 2>/dev/null || echo no", { configMap: { name: "settings" } }),
      steps: [succeeds(), prints("no\n")],
    },
    {
      name: "a projected volume has several sources",
      given: [configMap("settings", { a: "1" }), secret("keys", { b: "2" })],
      pod: reads("cat /v/a /v/sub/b /v/name; echo; stat -Lc %a /v/a /v/sub/b", {
        projected: {
          defaultMode: 0o444,
          sources: [
            { configMap: { name: "settings" } },
            { secret: { name: "keys", items: [{ key: "b", path: "sub/b", mode: 0o400 }] } },
            { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
          ],
        },
      }),
      steps: [succeeds(), prints("12pod\n444\n400\n")],
    },
    {
      name: "downward API files have labels and annotations, and follow their changes",
      pod: {
        metadata: { labels: { app: "web" }, annotations: { note: 'say "a"' } },
        ...serves({
          downwardAPI: {
            items: [
              { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
              { path: "app", fieldRef: { fieldPath: "metadata.labels['app']" } },
              { path: "note", fieldRef: { fieldPath: "metadata.annotations['note']" } },
            ],
          },
        }),
      },
      steps: [
        isReady(),
        shows("cat /v/labels; echo; cat /v/app; echo; cat /v/note", 'app="web"\nweb\nsay "a"'),
        changesPod({ metadata: { labels: { app: "shop", tier: "1" } } }),
        shows("cat /v/labels", 'app="shop"\ntier="1"'),
      ],
      timeoutSeconds: 150,
    },
    {
      name: "downward API files have resources",
      pod: once(
        {
          script: "cat /v/cpu; echo; cat /v/memory",
          resources: { limits: { cpu: "500m", memory: "64Mi" } },
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
        {
          volumes: [
            {
              name: "v",
              downwardAPI: {
                items: [
                  { path: "cpu", resourceFieldRef: { containerName: "main", resource: "limits.cpu", divisor: "1m" } },
                  {
                    path: "memory",
                    resourceFieldRef: { containerName: "main", resource: "limits.memory", divisor: "1Mi" },
                  },
                ],
              },
            },
          ],
        },
      ),
      steps: [succeeds(), prints("500\n64")],
    },
    {
      name: "the service account's token, the cluster's CA and the namespace are mounted",
      core: true,
      pod: once(
        {
          script:
            "cd /var/run/secrets/kubernetes.io/serviceaccount && ls && cat namespace && echo && head -n1 ca.crt && cut -d. -f2 token",
        },
        { automountServiceAccountToken: true },
      ),
      steps: [
        succeeds(),
        prints(/^ca\.crt\nnamespace\ntoken\npods-\d+\n-----BEGIN CERTIFICATE-----\n/),
        async (run) => {
          const log = await run.log("main");
          const claims = JSON.parse(Buffer.from(log.trim().split("\n").at(-1) ?? "", "base64url").toString()) as {
            sub: string;
            "kubernetes.io": { pod: { name: string; uid: string } };
          };
          const { pod } = claims["kubernetes.io"];
          if (pod.uid !== run.uid || claims.sub !== `system:serviceaccount:${run.namespace}:default`)
            throw new Error(`the token is of ${JSON.stringify(claims)}`);
        },
      ],
    },
    {
      name: "automountServiceAccountToken: false mounts no token",
      pod: once({ script: "ls /var/run/secrets/kubernetes.io 2>/dev/null || echo none" }),
      steps: [succeeds(), prints("none\n")],
    },
    {
      name: "a projected token has the audience and the life asked for",
      pod: once(
        { script: "cut -d. -f2 /v/t; stat -Lc %a /v/t", volumeMounts: [{ name: "v", mountPath: "/v" }] },
        {
          volumes: [
            {
              name: "v",
              projected: {
                sources: [{ serviceAccountToken: { audience: "vault", expirationSeconds: 1200, path: "t" } }],
              },
            },
          ],
        },
      ),
      steps: [
        succeeds(),
        async (run) => {
          const [body = "", mode] = (await run.log("main")).split("\n");
          const { aud, exp, iat } = JSON.parse(Buffer.from(body, "base64url").toString()) as {
            aud: string[];
            exp: number;
            iat: number;
          };
          if (aud.join() !== "vault" || exp - iat !== 1200) throw new Error(`it is for ${aud.join()}, ${exp - iat} s`);
          if (mode !== "644") throw new Error(`its mode is ${mode}`);
        },
      ],
    },
    {
      name: "a projected token is readable for the pod's only user alone",
      pod: once(
        { script: "stat -Lc '%a %u' /v/t", volumeMounts: [{ name: "v", mountPath: "/v" }] },
        {
          securityContext: { runAsUser: 1000 },
          volumes: [{ name: "v", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }],
        },
      ),
      steps: [succeeds(), prints("600 1000\n")],
    },
  ],
};

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
      pod: serves({ emptyDir: { sizeLimit: "1Mi" } }),
      steps: [
        isReady(),
        runs("dd if=/dev/zero of=/v/a bs=1M count=3"),
        becomes({
          // A kubelet may say Succeeded, when the container ends well.
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
