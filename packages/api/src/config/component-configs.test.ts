import assert from "node:assert/strict";
import { test } from "node:test";
import {
  defaultCloudCoreConfig,
  defaultEdgeCoreConfig,
  loadCloudCoreConfig,
  loadEdgeCoreConfig,
  minCloudCoreConfig,
  minEdgeCoreConfig,
} from "./component-configs.ts";

const host = { hostname: "edge-1", localIP: "192.0.2.7" };
const interesting = (warnings: readonly { kind: string; path: string }[]) =>
  warnings.filter(({ kind }) => kind !== "not-supported").map(({ path }) => path);

test("edgecore.yaml: what --defaultconfig and --minconfig print loads as the defaults", () => {
  const { config } = loadEdgeCoreConfig("", host);
  for (const text of [defaultEdgeCoreConfig(host), minEdgeCoreConfig(host)]) {
    const loaded = loadEdgeCoreConfig(text, host);
    assert.deepEqual(loaded.config, config);
    assert.deepEqual(interesting(loaded.warnings), []);
  }
});

test("cloudcore.yaml: what --defaultconfig and --minconfig print loads as the defaults", () => {
  const { config } = loadCloudCoreConfig("", host);
  for (const text of [defaultCloudCoreConfig(host), minCloudCoreConfig(host)]) {
    const loaded = loadCloudCoreConfig(text, host);
    assert.deepEqual(loaded.config, config);
    assert.deepEqual(interesting(loaded.warnings), []);
  }
});

test("what we print loads without a warning, whatever this version has of it", () => {
  const edgeSwitches = ["edged", "edgeHub", "edgeHub.websocket", "eventBus", "metaManager", "deviceTwin"];
  const cloudSwitches = [
    "cloudHub",
    "cloudHub.websocket",
    "cloudHub.https",
    "edgeController",
    "deviceController",
    "syncController",
    "cloudStream",
  ];
  const supporting = (names: string[]) => ({ supported: new Set(names.map((name) => `modules.${name}.enable`)) });
  for (const text of [defaultEdgeCoreConfig(host), minEdgeCoreConfig(host)])
    assert.deepEqual(loadEdgeCoreConfig(text, host, supporting(edgeSwitches)).warnings, []);
  for (const text of [defaultCloudCoreConfig(host), minCloudCoreConfig(host)])
    assert.deepEqual(loadCloudCoreConfig(text, host, supporting(cloudSwitches)).warnings, []);
  assert.doesNotMatch(minCloudCoreConfig(host), /router|iptablesManager|tunnelPort|unixsocket/);
});

test("KubeEdge's keys of parts that are not here are known, and only one that is switched on is worth a word", () => {
  const text = (on: boolean) => `modules:
  router: {enable: ${on}, address: 0.0.0.0, port: 9443, restTimeout: 60}
  iptablesManager: {enable: ${on}, mode: internal}
  cloudHub: {unixsocket: {enable: ${on}, address: unix:///var/lib/kubeedge/kubeedge.sock}}
`;
  assert.deepEqual(loadCloudCoreConfig(text(false), host).warnings, []);
  assert.deepEqual(
    loadCloudCoreConfig(text(true), host).warnings.map(({ kind, path }) => [kind, path]),
    ["cloudHub.unixsocket", "router", "iptablesManager"].map((path) => ["not-supported", `modules.${path}.enable`]),
  );
});

test("edgecore.yaml: defaults follow the host", () => {
  const { config } = loadEdgeCoreConfig("", host);
  assert.equal(config.modules.edged.hostnameOverride, "edge-1");
  assert.equal(config.modules.edgeHub.websocket.server, "192.0.2.7:10000");
  assert.equal(config.modules.edgeHub.httpServer, "https://192.0.2.7:10002");
});

test("edgecore.yaml: kubelet durations are ms inside", () => {
  const kubelet = "modules: {edged: {tailoredKubeletConfig: {nodeStatusUpdateFrequency: 1m30s}}}";
  const { config } = loadEdgeCoreConfig(kubelet, host);
  assert.equal(config.modules.edged.tailoredKubeletConfig.nodeStatusUpdateFrequency, 90_000);
  assert.equal(config.modules.edged.tailoredKubeletConfig.streamingConnectionIdleTimeout, 4 * 3_600_000);
});

test("W-58: edgecore.yaml: crashLoopBackOff is read, and refused outside of what Kubernetes allows", () => {
  const load = (period: string) =>
    loadEdgeCoreConfig(
      `modules: {edged: {tailoredKubeletConfig: {crashLoopBackOff: {maxContainerRestartPeriod: ${period}}}}}`,
      host,
    ).config.modules.edged.tailoredKubeletConfig.crashLoopBackOff.maxContainerRestartPeriod;
  assert.equal(load("30s"), 30_000);
  for (const period of ["500ms", "6m"]) assert.throws(() => load(period), /crashLoopBackOff.*from 1s to 300s/s);
});

// A file as KubeEdge's own `edgecore --minconfig` and the installation pages have them.
const MIN_EDGECORE = `
apiVersion: edgecore.config.kubeedge.io/v1alpha2
database:
  dataSource: /var/lib/kubeedge/edgecore.db
kind: EdgeCore
modules:
  edgeHub:
    heartbeat: 15
    httpServer: https://192.0.2.1:10002
    tlsCaFile: /etc/kubeedge/ca/rootCA.crt
    tlsCertFile: /etc/kubeedge/certs/server.crt
    tlsPrivateKeyFile: /etc/kubeedge/certs/server.key
    token: "abc.def"
    websocket:
      handshakeTimeout: 30
      readDeadline: 15
      server: 192.0.2.1:10000
      writeDeadline: 15
  edged:
    customInterfaceName: ""
    hostnameOverride: edge-7
    maxPerPodContainerCount: 1
    nodeIP: ""
    podSandboxImage: kubeedge/pause:3.6
    rootDirectory: /var/lib/kubelet
    tailoredKubeletConfig:
      address: 127.0.0.1
      cgroupDriver: cgroupfs
      clusterDomain: cluster.local
      containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
      imageServiceEndpoint: unix:///run/containerd/containerd.sock
      evictionHard: {imagefs.available: 15%, memory.available: 100Mi}
      serializeImagePulls: true
  eventBus:
    mqttMode: 2
    mqttQOS: 0
    mqttRetain: false
    mqttServerExternal: tcp://127.0.0.1:1883
    mqttServerInternal: tcp://127.0.0.1:1884
  edgeStream: {enable: true}
`;

test("edgecore.yaml: a usual file loads; what does not exist yet is named", () => {
  const supported = new Set(["modules.edged.enable"]);
  const { config, warnings } = loadEdgeCoreConfig(MIN_EDGECORE, host, { supported });
  assert.equal(config.modules.edged.hostnameOverride, "edge-7");
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ["modules.edgeStream.enable"],
  );
});

for (const version of ["v1alpha1", "v1alpha2"])
  test(`cloudcore.yaml: a ${version} file with oddly spelled keys loads`, () => {
    const text = `apiVersion: cloudcore.config.kubeedge.io/${version}
kind: CloudCore
kubeAPIConfig: {kubeConfig: /root/.kube/config, qps: 100}
modules:
  edgeController: {load: {UpdateRuleStatusWorkers: 2, ServiceAccountTokenWorkers: 3, CreatePodWorks: 1}}
  cloudHub: {nodeLimit: 1000, advertiseAddress: [192.0.2.9], authorization: {enable: true, modes: [{node: {enable: true}}]}}
  dynamicController: {enable: true}
featureGates: {requireAuthorization: true}
`;
    const { config, warnings } = loadCloudCoreConfig(text, host);
    assert.equal(config.modules.edgeController.load.CreatePodWorks, 1);
    assert.deepEqual(config.modules.cloudHub.advertiseAddress, ["192.0.2.9"]);
    assert.deepEqual(
      warnings.map(({ message }) => message.slice(0, 60)),
      [
        "not supported yet: modules.cloudHub.authorization.enable is ",
        "not supported yet: modules.dynamicController.enable is true,",
        "not supported yet: featureGates.requireAuthorization is true",
      ],
    );
  });

test("a file of the other program is refused", () => {
  assert.throws(() => loadCloudCoreConfig(MIN_EDGECORE, host), /kind: is "EdgeCore", must be one of "CloudCore"/);
});
