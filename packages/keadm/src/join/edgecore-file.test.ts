import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hostPaths } from "../host/host-paths.ts";
import { edgeCoreFile, writeConfigFile } from "./edgecore-file.ts";
import { cloudAddress } from "./join-options.ts";

const HOST = { hostname: "host-1", localIP: "192.0.2.7" };

function render(root: string, sets: readonly string[] = []) {
  const paths = hostPaths(root);
  const options = {
    nodeName: "edge-1",
    cloud: cloudAddress("cloud.example:10000"),
    runtimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "systemd" as const,
    certPath: paths.certs,
    labels: { site: "north" },
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

test("a file that was there before is kept, and only root reads either", () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-keadm-"));
  try {
    const file = join(dir, "config", "edgecore.yaml");
    assert.equal(writeConfigFile(file, "a: 1\n"), undefined);
    assert.equal(writeConfigFile(file, "a: 1\n"), undefined);
    writeFileSync(file, "a: mine\n", { mode: 0o644 });
    const kept = writeConfigFile(file, "a: 2\n");
    assert.equal(readFileSync(kept ?? "", "utf8"), "a: mine\n");
    assert.equal(readFileSync(file, "utf8"), "a: 2\n");
    for (const path of [file, kept ?? ""]) assert.equal(statSync(path).mode & 0o777, 0o600);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
