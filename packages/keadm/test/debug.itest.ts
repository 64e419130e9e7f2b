import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
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
    assert.match(printed, /^✗ configuration: cannot read .*\n {4}→ .*$/, "and it is said once");
    assert.doesNotMatch((await runKeadm("debug", "diagnose", "pod", "x", "--root-dir", dir)).printed, /pod default\/x/);

    const collected = await runKeadm("debug", "collect", "--root-dir", dir, "-o", join(dir, "out"));
    assert.ok(hasCode(collected.error, "NotFound"), "an archive without a node is no success");
    assert.match(collected.error.message, /missing: edgecore\.yaml, status\.json, objects\.json/);
    assert.ok(existsSync(collected.printed), "it is there all the same");
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

test("FIX: config images pull names a socket that is missing at once", async () => {
  const { error } = await runKeadm("config", "images", "pull", "-p", "unix:///no/such.sock");
  assert.ok(hasCode(error, "ChecksFailed"));
  assert.match(error.message, /there is no \/no\/such\.sock/);
});

test("the image that nobody has published is told", async () => {
  assert.match((await runKeadm("config", "images", "list")).told, /not published anywhere.*--image-repository/);
  assert.equal((await runKeadm("config", "images", "list", "--image-repository", "r.example/k")).told, "");
});

test("what is not known is no tick, and no failure", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-silent-"));
  const file = join(dir, "etc/kubeedge/config/edgecore.yaml");
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, "modules: {edged: {tailoredKubeletConfig: {readOnlyPort: 0}}}\n");
    const { printed } = await runKeadm("debug", "diagnose", "node", "--root-dir", dir, "-o", "json");
    const connection = (JSON.parse(printed) as (Result & { warning?: boolean })[]).find(
      ({ name }) => name === "connection",
    );
    assert.equal(connection?.warning, true);
    assert.match((await runKeadm("debug", "diagnose", "node", "--root-dir", dir)).printed, /^! connection: not known/m);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("debug check dns: a name that is given must be resolved, that of -s is taken, none is needed on a closed network", async () => {
  const dns = (...flags: string[]) => runKeadm("debug", "check", "dns", "-c", "/none", ...flags);
  assert.ok(hasCode((await dns("-d", "no-such-host.invalid")).error, "ChecksFailed"));
  assert.match((await dns("-s", "no-such-host.invalid:10000")).printed, /^✗ dns: no-such-host\.invalid cannot/);
  assert.match((await dns("-s", "localhost:10000")).printed, /^✓ dns: localhost is /);
  const closed = await dns();
  assert.equal(closed.error, undefined, closed.printed);
  assert.match(
    closed.printed,
    /^(✓ dns: www\.github\.com is|! dns: www\.github\.com cannot be resolved .*closed network)/,
  );
});

test("debug get and check look below --root-dir", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-elsewhere-"));
  try {
    const { error } = await runKeadm("debug", "get", "pod", "--root-dir", dir);
    assert.ok(error?.message.includes(join(dir, "var/lib/kubeedge/edgecore.db")), error?.message ?? "no error");
    const file = join(dir, "etc/kubeedge/config/edgecore.yaml");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      `database: {dataSource: ${dir}/mine.db}\nmodules: {edgeHub: {websocket: {server: "127.0.0.1:1"}}}\n`,
    );
    assert.ok((await runKeadm("debug", "get", "pod", "--root-dir", dir)).error?.message.includes(`${dir}/mine.db`));
    assert.match((await runKeadm("debug", "check", "network", "--root-dir", dir)).printed, /127\.0\.0\.1:1\b/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a kubeconfig is that of --kube-config, then of $KUBECONFIG, then root's; the error says which", async () => {
  const before = process.env["KUBECONFIG"];
  try {
    process.env["KUBECONFIG"] = "/no/such/kubeconfig:/other";
    assert.match(
      (await runKeadm("gettoken")).error?.message ?? "",
      /\/no\/such\/kubeconfig.* \(as \$KUBECONFIG says\)/,
    );
    assert.match(
      (await runKeadm("gettoken", "--kube-config", "/no/mine")).error?.message ?? "",
      /\/no\/mine.* \(as --kube-config says\): name/,
    );
  } finally {
    if (before === undefined) delete process.env["KUBECONFIG"];
    else process.env["KUBECONFIG"] = before;
  }
});

test("a --set that is no value of the chart points to the chart, not to edgecore.yaml", async () => {
  const { error } = await runKeadm("manifest", "--set", "foo.bar=1");
  assert.match(
    error?.message ?? "",
    /--set foo(\.bar)?: there is no such key; these are the values of KubeEdge's chart/,
  );
  assert.match(error?.message ?? "", /keadm manifest/);
});

test("a flag that is missing is told in two lines, without the page of help", () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "../src/main.ts"), "join"], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(status, 1);
  assert.match(stderr, /^error: required option '-e, --cloudcore-ipport <host:port>' not specified\n\(--help .*\)\n$/);
});
