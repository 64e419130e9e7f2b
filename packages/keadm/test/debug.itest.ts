import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@kedge/runtime";
import { freePort } from "@kedge/testing";
import { runKeadm } from "./run-keadm.ts";

interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly fix?: string;
}

test("U8: a check that fails is an error for scripts, and names what to do", async () => {
  const port = await freePort();
  const { printed, error } = await runKeadm(
    "debug",
    "check",
    "network",
    "-s",
    `127.0.0.1:${port}`,
    "-c",
    "/none",
    "-o",
    "json",
  );
  assert.ok(hasCode(error, "ChecksFailed"));
  const failed = (JSON.parse(printed) as Result[]).filter(({ ok }) => !ok);
  assert.match(failed[0]?.fix ?? "", /check the address, and that cloudcore runs/);
  const runtime = await runKeadm("debug", "check", "runtime", "-p", "unix:///no/such.sock", "-c", "/none");
  assert.ok(hasCode(runtime.error, "ChecksFailed"));
});

test("a check that passes is none", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  try {
    const { error, printed } = await runKeadm("debug", "check", "network", "-i", `127.0.0.1:${port}`, "-c", "/none");
    assert.equal(error, undefined);
    assert.match(printed, /✓ the host of --ip: 127\.0\.0\.1:\d+ answers/);
  } finally {
    server.close();
  }
  for (const what of ["pid", "disk", "mem"])
    assert.match((await runKeadm("debug", "check", what, "-c", "/none")).printed, new RegExp(`^[✓✗] ${what}: `));
});

test("commands that are not there yet say so, and what to do in their place", async () => {
  for (const words of [
    ["ctl", "get", "pod", "-n", "default"],
    ["batch", "-c", "x.yaml"],
    ["deprecated", "join"],
  ]) {
    const { error } = await runKeadm(...words);
    assert.ok(hasCode(error, "NotSupported"), words.join(" "));
    assert.match(error.message, /is not supported: .*(use|run) /);
  }
});

test("a host that has not joined: every command says so", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-unjoined-"));
  try {
    for (const words of [
      ["backup", "edge"],
      ["rollback", "edge"],
      ["upgrade", "edge", "--force"],
      ["config-update", "--set", "a=1"],
    ])
      assert.match(
        (await runKeadm(...words, "--root-dir", dir)).error?.message ?? "",
        /has this host joined\?/,
        words.join(" "),
      );
    const { printed, error } = await runKeadm("debug", "diagnose", "node", "--root-dir", dir);
    assert.ok(hasCode(error, "ChecksFailed"));
    assert.match(printed, /✗ edgecore: edgecore does not run/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("reset edge does not take the files of an edgecore away that somebody started by hand", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-stray-"));
  const config = join(dir, "etc/kubeedge/config/edgecore.yaml");
  mkdirSync(dirname(config), { recursive: true });
  writeFileSync(config, "{}");
  const stray = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)", "edgecore", config], { stdio: "ignore" });
  try {
    await once(stray, "spawn");
    const { error } = await runKeadm("reset", "edge", "--force", "--root-dir", dir);
    assert.match(error?.message ?? "", new RegExp(`keadm did not start it \\(process ${stray.pid}\\): stop it first`));
    assert.ok(existsSync(config));
  } finally {
    stray.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  }
});

test("version prints what it is asked for", async () => {
  assert.match((await runKeadm("version", "-o", "short")).printed, /^v\d+\.\d+\.\d+$/);
  assert.match(
    (JSON.parse((await runKeadm("version", "-o", "json")).printed) as { gitVersion: string }).gitVersion,
    /^v\d/,
  );
  assert.match((await runKeadm("version", "-o", "yaml")).printed, /^gitVersion: v/m);
  assert.match(
    (await runKeadm("version", "-o", "xml")).error?.message ?? "",
    /-o xml is no output format: take one of/,
  );
});

test("config images list prints the same each time, in order", async () => {
  assert.match(
    (await runKeadm("config", "images", "list", "--image-repository", "r.example/k", "--kubeedge-version", "1.2.3"))
      .printed,
    /^r\.example\/k\/cloudcore:v1\.2\.3$/,
  );
  assert.equal((await runKeadm("config", "images", "list", "--part", "edge")).printed, "");
});
