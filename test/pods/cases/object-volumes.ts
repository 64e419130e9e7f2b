import { CONFIG_MAPS, SECRETS } from "@kedge/kube";
import { reads, serves } from "./mounted.ts";
import type { PodTheme } from "../pod-case.ts";
import { lasting, once } from "../pods.ts";
import {
  becomes,
  changes,
  changesPod,
  containerBecomes,
  isReady,
  makes,
  prints,
  shows,
  succeeds,
  warning,
} from "../steps.ts";
import { configMap, secret } from "./objects.ts";

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
