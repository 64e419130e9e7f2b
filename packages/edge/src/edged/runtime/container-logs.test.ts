import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  containerLogPath,
  logLinkPath,
  podLogDirectory,
  removeContainerLogs,
  removeDeadLogLinks,
  restartCountFromLogs,
} from "./container-logs.ts";

const identity = { namespace: "ns", name: "pod", uid: "u-1" };

async function directory(scope: AsyncDisposableStack): Promise<string> {
  return scope.adopt(await mkdtemp(join(tmpdir(), "kedge-logs-")), (path) => rm(path, { recursive: true }));
}

test("MUST-MATCH: where kubelets put logs", () => {
  assert.equal(podLogDirectory("/var/log/pods", identity), "/var/log/pods/ns_pod_u-1");
  assert.equal(containerLogPath("app", 3), "app/3.log");
  assert.equal(logLinkPath("/l", identity, "app", "id"), "/l/pod_ns_app-id.log");
  assert.equal(logLinkPath("/l", { ...identity, name: "p".repeat(300) }, "app", "id").length, "/l/".length + 255);
});

test("names that would lead elsewhere are refused", () => {
  assert.throws(() => podLogDirectory("/l", { ...identity, name: "../../etc" }), /cannot be used/);
  assert.throws(() => containerLogPath("..", 0), /cannot be used/);
});

test("counts restarts by the logs that are left", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  assert.equal(await restartCountFromLogs(root, "app"), 0);
  await mkdir(join(root, "app"));
  for (const name of ["0.log", "2.log.20260101-000000.gz", "2.log", "other.txt"])
    await writeFile(join(root, "app", name), "");
  assert.equal(await restartCountFromLogs(root, "app"), 3);
});

test("removes one container's log, its rotated parts and its link, and nothing else", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  for (const name of ["1.log", "1.log.20260101", "11.log", "link"]) await writeFile(join(root, name), "");
  await removeContainerLogs(join(root, "1.log"), join(root, "link"));
  assert.deepEqual(await readdir(root), ["11.log"]);
});

test("removes links whose log is gone, and leaves those of others", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  const [logs, links] = [join(root, "pods"), join(root, "links")];
  await Promise.all([mkdir(join(logs, "app"), { recursive: true }), mkdir(links)]);
  await writeFile(join(logs, "app", "0.log"), "");
  await symlink(join(logs, "app", "0.log"), join(links, "alive"));
  await symlink(join(logs, "app", "1.log"), join(links, "being-rotated"));
  await symlink(join(logs, "gone", "0.log"), join(links, "dead"));
  await symlink("/elsewhere/gone.log", join(links, "foreign"));
  await removeDeadLogLinks(links, logs);
  assert.deepEqual(await readdir(links), ["alive", "being-rotated", "foreign"]);
});
