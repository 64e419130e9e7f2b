import type { ConfigMap, Container, Deployment, KubeObject, Namespace, Probe, Service } from "@kedge/kube";
import { stringify } from "yaml";
import type { ChartValues } from "./chart-values.ts";
import { cloudCoreRbac, NAME } from "./cloudcore-rbac.ts";
import { KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";

const MONITOR_PORT = 9091;
const HTTPS_PORT = 10_002;
const STREAM_PORT = 10_003;
const TUNNEL_PORT = 10_004;
const CONFIG_DIR = "/etc/kubeedge/config";
/** Nobody, as images without a shell know it. */
const USER = 65_532;
/** What the values were, for `keadm upgrade cloud --reuse-values`. */
export const VALUES_ANNOTATION = "keadm.kubeedge.io/values";
const metadata = { name: NAME, namespace: KUBEEDGE_NAMESPACE };

export function kubeedgeNamespace(): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: KUBEEDGE_NAMESPACE } };
}

/** Everything but the CRDs, in the order in which it can be created. @param given the values without defaults */
export function cloudCoreObjects(values: ChartValues, given: object): KubeObject[] {
  return [
    kubeedgeNamespace(),
    ...cloudCoreRbac(values.cloudCore.featureGates.requireAuthorization),
    ...workload(values, given),
  ];
}

/** What runs cloudcore, and its configuration. */
export function workload(values: ChartValues, given: object): KubeObject[] {
  const { service } = values.cloudCore;
  return [configMap(values, given), deployment(values), ...(service.enable ? [serviceOf(values)] : [])];
}

/** `cloudcore.yaml`, which the pod reads. */
function cloudCoreYaml({ cloudCore }: ChartValues): object {
  const { cloudHub, cloudStream, dynamicController, router, taskManager } = cloudCore.modules;
  return {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    commonConfig: {
      monitorServer: { bindAddress: `${cloudCore.hostNetWork ? "127.0.0.1" : "0.0.0.0"}:${MONITOR_PORT}` },
    },
    featureGates: cloudCore.featureGates,
    modules: {
      cloudHub: {
        advertiseAddress: cloudHub.advertiseAddress,
        dnsNames: [...cloudHub.dnsNames, `${NAME}.${KUBEEDGE_NAMESPACE}`, `${NAME}.${KUBEEDGE_NAMESPACE}.svc`],
        nodeLimit: Number(cloudHub.nodeLimit),
        websocket: cloudHub.websocket,
        quic: cloudHub.quic,
        https: { enable: cloudHub.https.enable, port: HTTPS_PORT },
        unixsocket: { enable: false }, // for a CSI driver on the same host alone
      },
      cloudStream: { enable: cloudStream.enable, streamPort: STREAM_PORT, tunnelPort: TUNNEL_PORT },
      dynamicController,
      router,
      taskManager,
      iptablesManager: { enable: false },
    },
  };
}

function configMap(values: ChartValues, given: object): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...metadata, annotations: { [VALUES_ANNOTATION]: JSON.stringify(given) } },
    data: { "cloudcore.yaml": stringify(cloudCoreYaml(values), { lineWidth: 0 }) },
  };
}

function deployment(values: ChartValues): Deployment {
  const { cloudCore } = values;
  const config = stringify(cloudCoreYaml(values), { lineWidth: 0 });
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...metadata, labels: cloudCore.labels },
    spec: {
      replicas: cloudCore.replicaCount,
      selector: { matchLabels: cloudCore.labels },
      // On the host's network a new pod needs the ports of the old one.
      strategy: cloudCore.hostNetWork ? { type: "Recreate" } : { type: "RollingUpdate" },
      template: {
        metadata: {
          labels: cloudCore.labels,
          // cloudcore reads its configuration once: another one is another pod.
          annotations: { ...cloudCore.annotations, "keadm.kubeedge.io/config": checksum(config) },
        },
        spec: {
          serviceAccountName: NAME,
          hostNetwork: cloudCore.hostNetWork,
          ...(cloudCore.hostNetWork && { dnsPolicy: "ClusterFirstWithHostNet" as const }),
          nodeSelector: cloudCore.nodeSelector,
          tolerations: cloudCore.tolerations,
          affinity: cloudCore.affinity,
          imagePullSecrets: cloudCore.image.pullSecrets.map((name) => ({ name })),
          containers: [container(values)],
          volumes: [{ name: "conf", configMap: { name: NAME } }],
        },
      },
    },
  };
}

function container({ cloudCore }: ChartValues): Container {
  const { image, securityContext, modules, hostNetWork } = cloudCore;
  return {
    name: NAME,
    image: `${image.repository}:${image.tag}`,
    imagePullPolicy: image.pullPolicy as "IfNotPresent",
    args: [`--config=${CONFIG_DIR}/cloudcore.yaml`],
    // Where the API server reaches it; on the host's network, the host.
    env: [{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    ports: [
      { name: "cloudhub", containerPort: modules.cloudHub.websocket.port },
      { name: "https", containerPort: HTTPS_PORT },
      ...(modules.cloudStream.enable
        ? [
            { name: "stream", containerPort: STREAM_PORT },
            { name: "tunnel", containerPort: TUNNEL_PORT },
          ]
        : []),
    ],
    // FIX: KubeEdge's has no probes, and is privileged.
    readinessProbe: probe("/readyz", hostNetWork),
    livenessProbe: { ...probe("/livez", hostNetWork), initialDelaySeconds: 15, failureThreshold: 6 },
    resources: cloudCore.resources,
    securityContext: securityContext.privileged
      ? { privileged: true }
      : {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: USER,
          capabilities: { drop: ["ALL"] },
          seccompProfile: { type: "RuntimeDefault" },
        },
    volumeMounts: [{ name: "conf", mountPath: CONFIG_DIR, readOnly: true }],
  };
}

function probe(path: string, hostNetwork: boolean): Probe {
  // On the host's network it listens on loopback alone, where the kubelet is, too.
  return { httpGet: { path, port: MONITOR_PORT, ...(hostNetwork && { host: "127.0.0.1" }) }, periodSeconds: 5 };
}

function serviceOf({ cloudCore }: ChartValues): Service {
  const { service, labels, hostNetWork, modules } = cloudCore;
  const type = hostNetWork ? "ClusterIP" : service.type;
  const withPort = (name: string, port: number, nodePort: number) => ({
    name,
    port,
    targetPort: port,
    ...(type === "NodePort" && { nodePort }),
  });
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...metadata, labels, annotations: service.annotations },
    spec: {
      type: type as "ClusterIP",
      selector: labels,
      ports: [
        withPort("cloudhub", modules.cloudHub.websocket.port, service.cloudhubNodePort),
        withPort("cloudhub-https", HTTPS_PORT, service.cloudhubHttpsNodePort),
        ...(modules.cloudStream.enable
          ? [
              withPort("cloudstream", STREAM_PORT, service.cloudstreamNodePort),
              withPort("tunnelport", TUNNEL_PORT, service.tunnelNodePort),
            ]
          : []),
      ],
    },
  };
}

/** FNV-1a: short, and only to tell one text from another. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
