import Type, { type Static } from "typebox";
import {
  bool,
  duration,
  enable,
  featureGates,
  group,
  int,
  oneNumberOf,
  oneOf,
  optionalBool,
  optionalText,
  optionalTexts,
  port,
  text,
  textMap,
  texts,
} from "./fields.ts";
import { tailoredKubeletConfig } from "./kubelet-config.ts";

const CA = "/etc/kubeedge/ca/rootCA.crt";
const CERT = "/etc/kubeedge/certs/server.crt";
const KEY = "/etc/kubeedge/certs/server.key";
const minimal = { "x-minimal": true };
const seconds = { minimum: 1, description: "seconds" };

const edged = group({
  enable: enable(true),
  tailoredKubeletConfig,
  reportEvent: bool(false),
  customInterfaceName: text("", minimal),
  registerNodeNamespace: text("default"),
  hostnameOverride: text("<hostname>", minimal),
  nodeIP: text("", minimal),
  podSandboxImage: text("kubeedge/pause:3.6"),
  runtimeCgroups: optionalText(),
  rootDirectory: text("/var/lib/kubelet"),
  windowsService: optionalBool(),
  windowsPriorityClass: optionalText(),
  experimentalMounterPath: optionalText(),
  experimentalNodeAllocatableIgnoreEvictionThreshold: bool(false),
  nodeLabels: textMap({}),
  minimumGCAge: duration("0s"),
  maxPerPodContainerCount: int(1),
  maxContainerCount: int(-1),
  registerSchedulable: bool(true),
  seccompDefault: optionalBool(),
});

const edgeHub = group({
  enable: enable(true),
  heartbeat: int(15, { ...seconds, ...minimal }),
  messageQPS: int(30, { minimum: 0 }),
  messageBurst: int(60, { minimum: 0 }),
  projectID: text("e632aba927ea4ac2b575ec1603d56f10"),
  tlsCaFile: text(CA, minimal),
  tlsCertFile: text(CERT, minimal),
  tlsPrivateKeyFile: text(KEY, minimal),
  websocket: group({
    enable: enable(true),
    handshakeTimeout: int(30, { ...seconds, ...minimal }),
    readDeadline: int(15, { ...seconds, ...minimal }),
    server: text("<localIP>:10000", minimal),
    writeDeadline: int(15, { ...seconds, ...minimal }),
  }),
  quic: group({
    enable: enable(false),
    handshakeTimeout: int(30, seconds),
    readDeadline: int(15, seconds),
    server: text("<localIP>:10001"),
    writeDeadline: int(15, seconds),
  }),
  token: text("", { "x-secret": true, ...minimal }),
  httpServer: text("https://<localIP>:10002", minimal),
  rotateCertificates: bool(true),
});

const eventBus = group({
  enable: enable(true),
  mqttQOS: oneNumberOf([0, 1, 2], 0, minimal),
  mqttRetain: bool(false, minimal),
  mqttSessionQueueSize: int(100, { minimum: 1, maximum: 100_000 }),
  mqttServerInternal: text("tcp://127.0.0.1:1884", minimal),
  mqttServerExternal: text("tcp://127.0.0.1:1883", minimal),
  mqttSubClientID: text(""),
  mqttPubClientID: text(""),
  mqttUsername: text(""),
  mqttPassword: text("", { "x-secret": true }),
  mqttMode: oneNumberOf([0, 1, 2], 2, { description: "0 internal broker, 1 both, 2 external broker", ...minimal }),
  eventBusTLS: group({
    enable: bool(false),
    tlsMqttCAFile: text(CA),
    tlsMqttCertFile: text(CERT),
    tlsMqttPrivateKeyFile: text(KEY),
  }),
});

const metaManager = group({
  enable: enable(true),
  contextSendGroup: text("hub"),
  contextSendModule: text("websocket"),
  remoteQueryTimeout: int(60, seconds),
  metaServer: group({
    enable: enable(false),
    server: text("127.0.0.1:10550"),
    dummyServer: text("169.254.30.10:10550"),
    tlsCaFile: text(CA),
    tlsCertFile: text(CERT),
    tlsPrivateKeyFile: text(KEY),
    serviceAccountIssuers: texts(["https://kubernetes.default.svc.cluster.local"]),
    apiAudiences: optionalTexts(),
    serviceAccountKeyFiles: optionalTexts(),
  }),
});

const serviceBus = group({
  enable: enable(false),
  server: text("127.0.0.1"),
  port: port(9060),
  timeout: int(60, seconds),
  tlsCertFile: text(""),
  tlsPrivateKeyFile: text(""),
});

const edgeStream = group({
  enable: enable(false),
  tlsTunnelCAFile: text(CA),
  tlsTunnelCertFile: text(CERT),
  tlsTunnelPrivateKeyFile: text(KEY),
  handshakeTimeout: int(30, seconds),
  readDeadline: int(15, seconds),
  server: text("127.0.0.1:10004"),
  writeDeadline: int(15, seconds),
});

/**
 * KubeEdge's `edgecore.yaml`.
 *
 * @see `edge-runtime` §1.7, whose keys and defaults these are.
 */
export const EdgeCoreSchema = Type.Object({
  apiVersion: oneOf(["edgecore.config.kubeedge.io/v1alpha2"], "edgecore.config.kubeedge.io/v1alpha2", minimal),
  kind: oneOf(["EdgeCore"], "EdgeCore", minimal),
  edgecoreVersion: optionalText(),
  database: group({
    driverName: oneOf(["sqlite3"], "sqlite3"),
    aliasName: text("default"),
    dataSource: text("/var/lib/kubeedge/edgecore.db", minimal),
  }),
  modules: group({
    edged,
    edgeHub,
    eventBus,
    metaManager,
    serviceBus,
    deviceTwin: group({ enable: enable(true), dmiSockPath: text("/etc/kubeedge/") }),
    edgeStream,
    taskManager: group({ enable: enable(false) }),
    dbTest: group({ enable: enable(false) }),
  }),
  featureGates: featureGates(),
});

export type EdgeCoreConfig = Static<typeof EdgeCoreSchema>;
