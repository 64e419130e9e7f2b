import Type, { type Static } from "typebox";
import { bool, count, enable, featureGates, group, int, list, oneOf, port, text, texts } from "./fields.ts";

const CA = "/etc/kubeedge/ca/rootCA.crt";
const CERT = "/etc/kubeedge/certs/server.crt";
const KEY = "/etc/kubeedge/certs/server.key";
const NODE_LIMIT_DEFAULT = 500;
const minimal = { "x-minimal": true };

const commonConfig = group({
  tunnelPort: port(10350, { description: "replaced by what the instances agree on" }),
  monitorServer: group({
    bindAddress: text("127.0.0.1:9091"),
    enableProfiling: bool(false),
  }),
});

const kubeAPIConfig = group({
  master: text("", { description: "URL of the API server; goes before kubeConfig", ...minimal }),
  contentType: text("application/vnd.kubernetes.protobuf"),
  qps: int(5 * NODE_LIMIT_DEFAULT),
  burst: int(10 * NODE_LIMIT_DEFAULT),
  kubeConfig: text("", { description: "path of a kubeconfig; empty: in the cluster", ...minimal }),
});

const cloudHub = group({
  enable: enable(true),
  keepaliveInterval: int(30, { minimum: 1, description: "seconds" }),
  nodeLimit: int(NODE_LIMIT_DEFAULT, { minimum: 1, ...minimal }),
  tlsCAFile: text(CA, minimal),
  tlsCAKeyFile: text("/etc/kubeedge/ca/rootCA.key", minimal),
  tlsCertFile: text(CERT, minimal),
  tlsPrivateKeyFile: text(KEY, minimal),
  writeTimeout: int(30, { minimum: 1, description: "seconds" }),
  advertiseAddress: texts(["<localIP>"], minimal),
  dnsNames: texts([""], minimal),
  edgeCertSigningDuration: int(365, { minimum: 1, description: "days" }),
  tokenRefreshDuration: int(12, { minimum: 1, description: "hours" }),
  sharedToken: bool(true, {
    description: "keep one join token for all nodes, as KubeEdge does; false: only keadm token create lets nodes join",
  }),
  quic: group({
    enable: enable(false),
    address: text("0.0.0.0"),
    port: port(10001),
    maxIncomingStreams: count(10000),
  }),
  unixsocket: group({
    enable: enable(false), // KubeEdge: true; only its CSI driver needs it
    address: text("unix:///var/lib/kubeedge/kubeedge.sock"),
  }),
  websocket: group({
    enable: enable(true),
    port: port(10000, minimal),
    address: text("0.0.0.0", minimal),
  }),
  https: group({
    enable: enable(true),
    port: port(10002, minimal),
    address: text("0.0.0.0", minimal),
  }),
  authorization: group({
    enable: enable(false),
    debug: bool(true),
    modes: list(group({ node: group({ enable: bool(true) }) })),
  }),
});

const edgeController = group({
  enable: enable(true),
  nodeUpdateFrequency: int(10, { minimum: 1, description: "seconds" }),
  buffer: group({
    processEvent: count(1024),
    updatePodStatus: count(1024),
    updateNodeStatus: count(1024),
    queryConfigMap: count(1024),
    querySecret: count(1024),
    queryPersistentVolume: count(1024),
    queryPersistentVolumeClaim: count(1024),
    queryVolumeAttachment: count(1024),
    createNode: count(1024),
    updateNode: count(1024),
    patchPod: count(1024),
    deletePod: count(1024),
    queryLease: count(1024),
    serviceAccountToken: count(1024),
    createPod: count(1024),
    certificateSigningRequest: count(1024),
    patchNode: count(1274),
    queryNode: count(1524),
    createLease: count(1524),
    podEvent: count(1),
    configMapEvent: count(1),
    secretEvent: count(1),
    rulesEvent: count(1),
    ruleEndpointsEvent: count(1),
  }),
  load: group({
    processEventWorkers: count(4),
    updatePodStatusWorkers: count(1),
    updateNodeStatusWorkers: count(1),
    queryConfigMapWorkers: count(100),
    querySecretWorkers: count(100),
    createNodeWorkers: count(100),
    patchPodWorkers: count(100),
    deletePodWorkers: count(100),
    queryLeaseWorkers: count(100),
    queryPersistentVolumeWorkers: count(4),
    queryPersistentVolumeClaimWorkers: count(4),
    queryVolumeAttachmentWorkers: count(4),
    updateNodeWorkers: count(4),
    certificateSigningRequestWorkers: count(4),
    patchNodeWorkers: count(110),
    queryNodeWorkers: count(500),
    createLeaseWorkers: count(500),
    // These three are spelled so in existing files.
    UpdateRuleStatusWorkers: count(4),
    ServiceAccountTokenWorkers: count(100),
    CreatePodWorks: count(4),
  }),
});

const deviceController = group({
  enable: enable(true),
  buffer: group({
    updateDeviceTwins: count(1024),
    updateDeviceStatus: count(1024),
    deviceEvent: count(1),
    deviceModelEvent: count(1),
    deviceStatusEvent: count(0),
  }),
  load: group({ updateDeviceStatusWorkers: count(1) }),
});

const taskManager = group({
  enable: enable(false),
  buffer: group({ taskStatus: count(1024), taskEvent: count(1) }),
  load: group({ taskWorkers: count(1) }),
});

const cloudStream = group({
  enable: enable(true), // KubeEdge: false, and needs files that nobody has made
  tlsTunnelCAFile: text(CA),
  tlsTunnelCertFile: text(CERT),
  tlsTunnelPrivateKeyFile: text(KEY),
  tunnelPort: port(10004),
  tlsStreamCAFile: text("/etc/kubeedge/ca/streamCA.crt"),
  tlsStreamCertFile: text("/etc/kubeedge/certs/stream.crt"),
  tlsStreamPrivateKeyFile: text("/etc/kubeedge/certs/stream.key"),
  streamPort: port(10003),
  address: text("0.0.0.0", { description: "to listen on" }),
  nodeAddress: text("", { description: "where the API server reaches this cloudcore; empty: found out" }),
  nodePorts: text("13000-29999", { description: "one for each node; empty: none" }),
});

const router = group({
  enable: enable(false),
  address: text("0.0.0.0"),
  port: port(9443),
  restTimeout: int(60, { minimum: 1, description: "seconds" }),
});

const iptablesManager = group({
  enable: enable(false), // KubeEdge: true; as above
  mode: oneOf(["internal", "external"], "internal"),
});

/**
 * KubeEdge's `cloudcore.yaml`.
 *
 * @see `cloud-operations` §1.6, whose keys and defaults these are.
 */
export const CloudCoreSchema = Type.Object({
  apiVersion: oneOf(
    ["cloudcore.config.kubeedge.io/v1alpha1", "cloudcore.config.kubeedge.io/v1alpha2"],
    "cloudcore.config.kubeedge.io/v1alpha2",
    minimal,
  ),
  kind: oneOf(["CloudCore"], "CloudCore", minimal),
  commonConfig,
  kubeAPIConfig,
  modules: group({
    cloudHub,
    edgeController,
    deviceController,
    syncController: group({ enable: enable(true) }),
    dynamicController: group({ enable: enable(false) }),
    cloudStream,
    router,
    taskManager,
    iptablesManager,
  }),
  featureGates: featureGates(),
});

export type CloudCoreConfig = Static<typeof CloudCoreSchema>;
