import assert from "node:assert/strict";
import { test } from "node:test";
import { hostPaths } from "../host/host-paths.ts";
import { edgeCoreFile } from "./edgecore-file.ts";
import { cloudAddress } from "./join-options.ts";

const HOST = { hostname: "host-1", localIP: "192.0.2.7" };

function render(
  root: string,
  sets: readonly string[] = [],
  before?: string,
  labels: Record<string, string> = {},
  cloud = "cloud.example:10000",
) {
  const paths = hostPaths(root);
  const options = {
    nodeName: "edge-1",
    cloud: cloudAddress(cloud),
    runtimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "systemd" as const,
    labels: { site: "north", ...labels },
    before,
    hasMqttBroker: false,
    sets,
  };
  return edgeCoreFile(options, paths, HOST, new Set());
}

test("edgecore.yaml has KubeEdge's places, the flags' values, and no token", () => {
  const { modules, database } = render("/").config;
  assert.equal(database.dataSource, "/var/lib/kubeedge/edgecore.db");
  assert.equal(modules.edged.hostnameOverride, "edge-1");
  assert.deepEqual(modules.edged.nodeLabels, { site: "north" });
  assert.equal(modules.edged.rootDirectory, "/var/lib/kubelet");
  assert.equal(modules.edged.tailoredKubeletConfig.cgroupDriver, "systemd");
  assert.equal(modules.edged.tailoredKubeletConfig.staticPodPath, "/etc/kubeedge/manifests");
  assert.equal(modules.edgeHub.websocket.server, "cloud.example:10000");
  assert.equal(modules.edgeHub.httpServer, "https://cloud.example:10002");
  assert.equal(modules.edgeHub.token, "");
  assert.equal(modules.edgeHub.tlsCertFile, "/etc/kubeedge/certs/server.crt");
  assert.equal(modules.edgeStream.server, "cloud.example:10004");
  assert.equal(modules.eventBus.mqttMode, 0, "without a broker on this host the agent brings its own");
});

test("below another root every file of the node is there", () => {
  const { text } = render("/tmp/elsewhere");
  for (const path of text.match(/(?<=: )\/\S+/g) ?? []) assert.match(path, /^\/tmp\/elsewhere\//);
});

test("--set comes last, and strictly", () => {
  assert.equal(
    render("/", ["modules.eventBus.mqttMode=2,modules.edgeStream.enable=true"]).config.modules.eventBus.mqttMode,
    2,
  );
  assert.throws(() => render("/", ["modules.eventbus.mqttMode=9"]), /mqttMode|no such key/);
  assert.throws(() => render("/", ["modules.edgeHub.websocket.sever=x:1"]), /there is no such key/);
});

test("the same flags give the same file", () => assert.equal(render("/").text, render("/").text));

test("what was set before stays, also comments, unless a flag says otherwise", () => {
  const first = render("/", [
    "modules.eventBus.mqttMode=2,modules.edged.tailoredKubeletConfig.readOnlyPort=12345",
  ]).text;
  const before = `# mine\n${first}`;
  const again = render("/", [], before);
  assert.equal(again.text, before, "nothing to change: not a byte changes");
  const { text, config } = render("/", ["modules.eventBus.mqttMode=1"], before, { area: "7" });
  assert.match(text, /^# mine\n# Written by keadm join/);
  assert.equal(config.modules.edged.tailoredKubeletConfig.readOnlyPort, 12_345);
  assert.equal(config.modules.eventBus.mqttMode, 1);
  assert.deepEqual(config.modules.edged.nodeLabels, { site: "north", area: "7" });
});

test("another cloud takes its other ports along; other values stay", () => {
  const before = render("/", ["modules.edgeStream.server=old.example:10004,modules.eventBus.mqttMode=2"]).text;
  assert.equal(render("/", [], before).config.modules.edgeStream.server, "old.example:10004");
  const { modules } = render("/", [], before, {}, "moved.example:10000").config;
  assert.equal(modules.edgeHub.websocket.server, "moved.example:10000");
  assert.equal(modules.edgeStream.server, "moved.example:10004");
  assert.equal(modules.eventBus.mqttMode, 2);
});
