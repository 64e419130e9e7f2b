import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { NODES } from "@kedge/kube";
import { removeCgroups } from "@kedge/standalone";
import { freePort, TestContainerd, TestKubernetes } from "@kedge/testing";
import { kubernetesCloud } from "../e2e/test-cloud.ts";
import { missingStockPrograms, STOCK_CLOUD, STOCK_CRDS } from "./stock-programs.ts";

const root = join(import.meta.dirname, "../..");
const NODE = "edge-of-stock";

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function keadm(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(join(root, "kedge"), ["keadm", ...args], { timeout: 180_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, stdout, stderr }),
    );
  });
}

test(
  "keadm joins a stock cloudcore, which tells everybody which names are taken",
  { skip: missingStockPrograms() || TestKubernetes.missing() || TestContainerd.missing(), timeout: 300_000 },
  async () => {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-keadm-stock-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const cloud = scope.use(await kubernetesCloud(STOCK_CLOUD, STOCK_CRDS)(dir, "127.0.0.1"));
    const containerd = scope.use(await TestContainerd.start());
    const cgroup = `/kedge-test-${containerd.bridge}`;
    scope.defer(() => removeCgroups(cgroup));
    const token = (await keadm("gettoken", "--kube-config", cloud.kubeconfig)).stdout.trim();
    assert.equal(token, await cloud.token());

    const host = join(dir, "host");
    scope.defer(async () => void (await keadm("reset", "edge", "--force", "--root-dir", host)));
    const settings = [
      `modules.edged.tailoredKubeletConfig.cgroupRoot=${cgroup}`,
      `modules.edged.tailoredKubeletConfig.readOnlyPort=${await freePort()}`,
      "modules.eventBus.mqttMode=0",
      `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${await freePort()}`,
    ].join(",");
    const flags = [
      `--cloudcore-ipport=127.0.0.1:${cloud.ports.cloudHub}`,
      `--certport=${cloud.ports.https}`,
      `--edgenode-name=${NODE}`,
      `--remote-runtime-endpoint=${containerd.endpoint}`,
      `--set=${settings}`,
    ];
    const forged = await keadm("join", ...flags, `--root-dir=${host}`, `--token=${token.slice(0, -4)}AAAA`);
    assert.match(forged.stderr, /refused the join token of node edge-of-stock/);

    const joined = await keadm("join", ...flags, `--root-dir=${host}`, `--token=${token}`);
    assert.equal(joined.code, 0, joined.stderr);
    const node = await cloud.kube.get(NODES, { name: NODE }, AbortSignal.timeout(5_000));
    assert.equal(node.status?.conditions?.find(({ type }) => type === "Ready")?.status, "True");

    const taken = await keadm("join", ...flags, `--root-dir=${join(dir, "other")}`, `--token=${token}`);
    assert.match(taken.stderr, /the cluster has a node edge-of-stock already/);
    assert.equal(taken.code, 1);
  },
);
