import type { EnvVarSource } from "@kedge/kube";
import { CONFIG_MAPS, SERVICES, type Service } from "@kedge/kube";
import type { PodTheme } from "../pod-case.ts";
import { container, lasting, once } from "../pods.ts";
import { becomes, containerBecomes, isReady, makes, prints, shows, succeeds, warning } from "../steps.ts";
import { configMap, secret } from "./objects.ts";

const fromConfigMap = (name: string, key: string, optional?: boolean): EnvVarSource => ({
  configMapKeyRef: { name, key, ...(optional !== undefined && { optional }) },
});
const fromSecret = (name: string, key: string): EnvVarSource => ({ secretKeyRef: { name, key } });
const fromField = (fieldPath: string): EnvVarSource => ({ fieldRef: { fieldPath } });

const NO_SERVICES = "An edge node knows no Services: like KubeEdge's, it has no way to their virtual addresses.";

export const ENVIRONMENT: PodTheme = {
  name: "environment",
  cases: [
    {
      name: "a variable has the value that it is given",
      core: true,
      pod: once({
        script: 'echo "$A|$B|$C"',
        env: [{ name: "A", value: "one two" }, { name: "B", value: "" }, { name: "C" }],
      }),
      steps: [succeeds(), prints("one two||\n")],
    },
    {
      name: "$(NAME) is replaced by an earlier variable, $$(NAME) is not, and what is unknown stays",
      pod: once({
        script: 'echo "$B|$C|$D|$E"',
        env: [
          { name: "A", value: "x" },
          { name: "B", value: "$(A)-$(A)" },
          { name: "C", value: "$$(A)" },
          { name: "D", value: "$(LATER)" },
          { name: "E", value: "$(A" },
          { name: "LATER", value: "y" },
        ],
      }),
      steps: [succeeds(), prints("x-x|$(A)|$(LATER)|$(A\n")],
    },
    {
      name: "$(NAME) is replaced in command and arguments",
      pod: once({
        env: [{ name: "A", value: "x" }],
        command: ["echo", "$(A)", "$(NONE)"],
        args: ["$$(A)", "$(A)$(A)"],
      }),
      steps: [succeeds(), prints("x $(NONE) $(A) xx\n")],
    },
    {
      name: "variables have a ConfigMap's and a Secret's values",
      core: true,
      given: [configMap("settings", { colour: "red" }), secret("keys", { word: "sesame" })],
      pod: once({
        script: 'echo "$COLOUR $WORD"',
        env: [
          { name: "COLOUR", valueFrom: fromConfigMap("settings", "colour") },
          { name: "WORD", valueFrom: fromSecret("keys", "word") },
        ],
      }),
      steps: [succeeds(), prints("red sesame\n")],
    },
    {
      name: "envFrom takes all keys, with a prefix, and env goes before it",
      given: [configMap("settings", { A: "1", B: "2" }), secret("keys", { C: "3" })],
      pod: once({
        script: 'echo "$P_A|$P_B|$C|$B"',
        envFrom: [{ prefix: "P_", configMapRef: { name: "settings" } }, { secretRef: { name: "keys" } }],
        env: [
          { name: "C", value: "own" },
          { name: "B", value: "$(P_B)!" },
        ],
      }),
      steps: [succeeds(), prints("1|2|own|2!\n")],
    },
    {
      name: "of two envFrom the later wins",
      given: [configMap("one", { A: "1" }), configMap("two", { A: "2" })],
      pod: once({ script: "echo $A", envFrom: [{ configMapRef: { name: "one" } }, { configMapRef: { name: "two" } }] }),
      steps: [succeeds(), prints("2\n")],
    },
    {
      name: "keys that are no identifiers are variables, too",
      given: [configMap("settings", { "a.b-c": "1", good: "2" })],
      pod: once({ command: ["env"], envFrom: [{ configMapRef: { name: "settings" } }] }),
      steps: [succeeds(), prints(/^a\.b-c=1$/m), prints(/^good=2$/m)],
    },
    {
      name: "what is optional may be missing",
      given: [configMap("settings", { a: "1" })],
      pod: once({
        script: 'echo "${A-unset}|${B-unset}"',
        env: [
          { name: "A", valueFrom: fromConfigMap("none", "a", true) },
          { name: "B", valueFrom: fromConfigMap("settings", "none", true) },
        ],
        envFrom: [{ secretRef: { name: "none", optional: true } }],
      }),
      steps: [succeeds(), prints("unset|unset\n")],
    },
    {
      name: "a missing ConfigMap keeps the container waiting, and creating it starts it",
      core: true,
      pod: lasting({ env: [{ name: "A", valueFrom: fromConfigMap("late", "a") }] }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CreateContainerConfigError",
          message: /configmap "late" not found/,
        }),
        warning("Failed", /configmap "late" not found/),
        makes(configMap("late", { a: "here" })),
        isReady(),
        shows("echo $A", "here"),
      ],
    },
    {
      name: "a missing key keeps the container waiting",
      given: [configMap("settings", { a: "1" })],
      pod: lasting({ env: [{ name: "A", valueFrom: fromConfigMap("settings", "none") }] }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CreateContainerConfigError",
          message: /couldn't find key none in ConfigMap pods-\d+\/settings/,
        }),
      ],
    },
    {
      name: "a missing key of a Secret keeps the container waiting",
      given: [secret("keys", { a: "1" })],
      pod: lasting({ env: [{ name: "A", valueFrom: fromSecret("keys", "none") }] }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CreateContainerConfigError",
          message: /couldn't find key none in Secret pods-\d+\/keys/,
        }),
      ],
    },
    {
      name: "a missing ConfigMap of envFrom keeps the container waiting",
      pod: lasting({ envFrom: [{ configMapRef: { name: "none" } }] }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "CreateContainerConfigError",
          message: /configmap "none" not found/,
        }),
        becomes({ phase: "Pending" }),
      ],
    },
    {
      name: "a change of a ConfigMap does not reach variables of a running container",
      given: [configMap("settings", { a: "1" })],
      pod: lasting(
        {
          env: [{ name: "A", valueFrom: fromConfigMap("settings", "a") }],
          volumeMounts: [{ name: "settings", mountPath: "/settings" }],
        },
        { volumes: [{ name: "settings", configMap: { name: "settings" } }] },
      ),
      steps: [
        isReady(),
        async (run) => {
          const key = { namespace: run.namespace, name: "settings" };
          await run.target.kube.patch(CONFIG_MAPS, key, { type: "merge", body: { data: { a: "2" } } }, run.signal);
        },
        shows("cat /settings/a", "2"),
        shows("echo $A", "1"),
      ],
    },
    {
      name: "the downward API tells name, namespace, uid, node, account and addresses",
      pod: {
        ...lasting({
          env: Object.entries({
            NAME: "metadata.name",
            NAMESPACE: "metadata.namespace",
            UID_: "metadata.uid",
            NODE: "spec.nodeName",
            ACCOUNT: "spec.serviceAccountName",
            POD_IP: "status.podIP",
            POD_IPS: "status.podIPs",
            HOST_IP: "status.hostIP",
            HOST_IPS: "status.hostIPs",
          }).map(([name, path]) => ({ name, valueFrom: fromField(path) })),
        }),
      },
      steps: [
        isReady(),
        async (run) => {
          const { status } = run.recorded.object ?? {};
          const { stdout } = await run.exec("main", [
            "sh",
            "-c",
            "echo $NAME $NAMESPACE $UID_ $NODE $ACCOUNT $POD_IP $POD_IPS $HOST_IP $HOST_IPS",
          ]);
          const { podIP, hostIP } = status ?? {};
          const expected = [
            "pod",
            run.namespace,
            run.uid,
            run.target.nodeName,
            "default",
            podIP,
            podIP,
            hostIP,
            hostIP,
          ];
          if (stdout !== `${expected.join(" ")}\n`) throw new Error(`${stdout} is not ${expected.join(" ")}`);
        },
      ],
    },
    {
      name: "the downward API tells labels and annotations by key",
      pod: {
        metadata: { labels: { app: "web" }, annotations: { "example.com/note": "a b" } },
        ...once({
          script: 'echo "$LABEL|$NOTE|$NONE"',
          env: [
            { name: "LABEL", valueFrom: fromField("metadata.labels['app']") },
            { name: "NOTE", valueFrom: fromField("metadata.annotations['example.com/note']") },
            { name: "NONE", valueFrom: fromField("metadata.labels['none']") },
          ],
        }),
      },
      steps: [succeeds(), prints("web|a b|\n")],
    },
    {
      name: "the downward API tells a container's resources, in the unit asked for",
      pod: once({
        script: 'echo "$CPU|$MILLI|$MEMORY|$MEBI"',
        resources: { requests: { cpu: "250m", memory: "32Mi" }, limits: { cpu: "1500m", memory: "64Mi" } },
        env: [
          { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
          { name: "MILLI", valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } } },
          { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
          { name: "MEBI", valueFrom: { resourceFieldRef: { resource: "requests.memory", divisor: "1Mi" } } },
        ],
      }),
      steps: [succeeds(), prints("2|250|67108864|32\n")],
    },
    {
      name: "without a limit the downward API tells the node's allocatable",
      pod: once({
        script: '[ "$MEMORY" -gt 100000000 ] && [ "$CPU" -ge 1 ] && echo "all of it|$REQUEST"',
        env: [
          { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
          { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
          { name: "REQUEST", valueFrom: { resourceFieldRef: { resource: "requests.memory" } } },
        ],
      }),
      steps: [succeeds(), prints("all of it|0\n")],
    },
    {
      name: "the downward API tells of another container's resources",
      pod: {
        spec: {
          ...once({}).spec,
          containers: [
            container({
              script: "echo $OTHER",
              env: [
                {
                  name: "OTHER",
                  valueFrom: {
                    resourceFieldRef: { containerName: "other", resource: "limits.memory", divisor: "1Mi" },
                  },
                },
              ],
            }),
            container({ name: "other", script: "exit 0", resources: { limits: { memory: "48Mi" } } }),
          ],
        },
      },
      steps: [succeeds(), prints("48\n")],
    },
    {
      name: "services of the namespace are variables",
      given: [{ type: SERVICES, object: service("web-server") }],
      pod: lasting({}),
      steps: [
        isReady(),
        async (run) => {
          const found = await run.target.kube.get(
            SERVICES,
            { namespace: run.namespace, name: "web-server" },
            run.signal,
          );
          const address = found.spec?.clusterIP ?? "";
          await shows(
            'echo "$WEB_SERVER_SERVICE_HOST|$WEB_SERVER_SERVICE_PORT|$WEB_SERVER_SERVICE_PORT_HTTP|$WEB_SERVER_PORT"',
            `${address}|80|80|tcp://${address}:80`,
          )(run);
        },
      ],
      differs: {
        why: NO_SERVICES,
        steps: [
          isReady(),
          shows('echo "${WEB_SERVER_SERVICE_HOST-unset}|${KUBERNETES_SERVICE_HOST-unset}"', "unset|unset"),
        ],
      },
    },
    {
      name: "enableServiceLinks: false leaves out services, but for the API server",
      given: [{ type: SERVICES, object: service("web-server") }],
      pod: once(
        { script: 'echo "${WEB_SERVER_SERVICE_HOST-unset}|$KUBERNETES_SERVICE_HOST"' },
        { enableServiceLinks: false },
      ),
      steps: [succeeds(), prints("unset|10.0.0.1\n")],
      differs: { why: NO_SERVICES, steps: [succeeds(), prints("unset|\n")] },
    },
    {
      name: "HOSTNAME and PATH are there",
      pod: once({ script: 'echo "$HOSTNAME|$PATH"' }),
      steps: [succeeds(), prints(/^pod\|\/usr\/local\/sbin:/)],
    },
    {
      name: "a container that wants its own HOSTNAME has it",
      pod: once({ script: 'echo "$HOSTNAME"', env: [{ name: "HOSTNAME", value: "mine" }] }),
      steps: [succeeds(), prints("mine\n")],
    },
  ],
};

function service(name: string): Service {
  return { metadata: { name }, spec: { selector: { app: "none" }, ports: [{ name: "http", port: 80 }] } };
}
