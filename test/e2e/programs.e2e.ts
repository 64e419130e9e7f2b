import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { SECRETS } from "@kedge/kube";
import { removeCgroups } from "@kedge/standalone";
import { freePort, TestContainerd, TestKubernetes, TestProcess } from "@kedge/testing";
import { parseDocument } from "yaml";
import { waitForNode } from "./test-cloud.ts";
import { waitForObject } from "./wait-for-object.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const kedge = join(root, "kedge");

test("the front door knows what was meant, in one line", { timeout: 60_000 }, async () => {
  for (const [args, says] of [
    [["stauts"], /^kedge: there is no command 'stauts' \(did you mean status\?\); see \.\/kedge help\n$/],
    [["nonsense"], /^kedge: there is no command 'nonsense'; see \.\/kedge help\n$/],
    [["node"], /^kedge: usage: \.\/kedge node SCRIPT .*\n$/],
    [["node", "nope.ts"], /^kedge: there is no script nope\.ts: .*\n$/],
  ] as const)
    await assert.rejects(run(kedge, args), { code: 1, stderr: says });
});

/** The file that `./kedge PROGRAM --minconfig` prints, with some values changed, as an operator would. */
async function configFile(program: string, file: string, changes: Record<string, unknown>): Promise<string> {
  const { stdout } = await run(kedge, [program, "--minconfig"]);
  const document = parseDocument(stdout);
  for (const [path, value] of Object.entries(changes)) document.setIn(path.split("."), value);
  writeFileSync(file, document.toString(), { mode: 0o600 });
  return file;
}

test(
  "with KubeEdge's files on a real cluster, cloudcore makes the token and edgecore joins with it",
  { skip: TestContainerd.missing() || TestKubernetes.missing(), timeout: 200_000 },
  async (context) => {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-programs-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const kubernetes = scope.use(await TestKubernetes.start({ controllerManager: true, scheduler: true }));
    const containerd = scope.use(await TestContainerd.start());
    scope.defer(() => removeCgroups(`/kedge-test-${containerd.bridge}`));
    const kube = scope.use(kubernetes.connect());
    await kubernetes.kubectl("apply", "-f", join(root, "manifests/crds"));
    const at = (name: string) => join(dir, name);
    const [cloudHub, https, mqtt] = [await freePort(), await freePort(), await freePort()];

    const cloudConfig = await configFile("cloudcore", at("cloudcore.yaml"), {
      "kubeAPIConfig.kubeConfig": kubernetes.adminKubeconfig,
      "commonConfig.monitorServer.bindAddress": "127.0.0.1:0",
      "modules.cloudHub.advertiseAddress": ["127.0.0.1"],
      "modules.cloudHub.tlsCAFile": at("ca.crt"),
      "modules.cloudHub.tlsCAKeyFile": at("ca.key"),
      "modules.cloudHub.tlsCertFile": at("cloud.crt"),
      "modules.cloudHub.tlsPrivateKeyFile": at("cloud.key"),
      "modules.cloudHub.websocket.port": cloudHub,
      "modules.cloudHub.https.port": https,
      "modules.cloudHub.unixsocket.address": `unix://${at("cloud.sock")}`,
      "modules.cloudStream.tunnelPort": await freePort(),
      "modules.cloudStream.streamPort": await freePort(),
    });
    scope.use(TestProcess.start("cloudcore", kedge, ["cloudcore", "--config", cloudConfig], at("cloudcore.log")));
    const token = await waitForObject(kube, SECRETS, { namespace: "kubeedge", name: "tokensecret" }, (secret) => {
      const data = secret?.data?.["tokendata"];
      return data === undefined ? undefined : Buffer.from(data, "base64").toString();
    });

    const edgeConfig = await configFile("edgecore", at("edgecore.yaml"), {
      "database.dataSource": at("edgecore.db"),
      "modules.edged.hostnameOverride": "edge-from-files",
      "modules.edged.rootDirectory": at("kubelet"),
      "modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint": containerd.endpoint,
      "modules.edged.tailoredKubeletConfig.imageServiceEndpoint": containerd.endpoint,
      "modules.edged.tailoredKubeletConfig.readOnlyPort": await freePort(),
      "modules.edged.tailoredKubeletConfig.staticPodPath": at("manifests"),
      "modules.edged.tailoredKubeletConfig.podLogsDir": at("pods"),
      "modules.edged.tailoredKubeletConfig.cgroupRoot": `/kedge-test-${containerd.bridge}`,
      "modules.edgeHub.tlsCaFile": at("edge-ca.crt"),
      "modules.edgeHub.tlsCertFile": at("edge.crt"),
      "modules.edgeHub.tlsPrivateKeyFile": at("edge.key"),
      "modules.edgeHub.httpServer": `https://127.0.0.1:${https}`,
      "modules.edgeHub.websocket.server": `127.0.0.1:${cloudHub}`,
      "modules.edgeHub.token": token,
      "modules.eventBus.mqttMode": 0,
      "modules.eventBus.mqttServerInternal": `tcp://127.0.0.1:${mqtt}`,
      "modules.deviceTwin.dmiSockPath": `${dir}/`,
    });
    const started = performance.now();
    const edge = scope.use(
      TestProcess.start("edgecore", kedge, ["edgecore", "--config", edgeConfig], at("edgecore.log")),
    );
    await waitForNode(kube, "edge-from-files", "True").catch((error: unknown) => {
      throw new Error(`the node did not become Ready: ${edge.logTail()}`, { cause: error });
    });
    context.diagnostic(`node Ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    assert.ok(!readFileSync(edgeConfig, "utf8").includes(token), "the token is blanked once it has served");
    for (const log of ["cloudcore.log", "edgecore.log"])
      assert.doesNotMatch(
        readFileSync(at(log), "utf8"),
        /not supported yet|unknown key/,
        "our own files need no warning",
      );
  },
);
