import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { DEVICES } from "@kedge/api";
import { EVENTS } from "@kedge/kube";
import { connectKube, loadKubeconfig } from "@kedge/kube-client";
import { statePaths } from "@kedge/standalone";
import { freePort, TestContainerd, TestKubernetes } from "@kedge/testing";

const run = promisify(execFile);
const kedge = join(import.meta.dirname, "../../kedge");
const skip = TestContainerd.missing();
const parent = mkdtempSync(join(tmpdir(), "kedge-up-"));
const stateDir = join(parent, "state");
const node = "up-node";

async function ports(): Promise<string[]> {
  const names = ["api", "cloudhub", "https", "mqtt", "status", "monitor", "tunnel", "stream"];
  const flags = names.map((name) => `--${name}-port`);
  return (await Promise.all(flags.map(async (flag) => [flag, String(await freePort())]))).flat();
}

/** Whatever of this `up` is to be found on the host. */
async function traces(): Promise<string[]> {
  const { network, run: runtime, cgroup } = statePaths(stateDir);
  const lines = async (program: string, ...args: string[]) => (await run(program, args)).stdout.split("\n");
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`;
      } catch {
        return []; // it has ended
      }
    });
  const found = [
    ...processes.filter((line) => !line.startsWith(`${process.pid} `)),
    ...readFileSync("/proc/self/mountinfo", "utf8").split("\n"),
    ...(await lines("ip", "-o", "link")),
    ...(await lines("iptables-save", "-t", "nat")),
    ...readdirSync("/sys/fs/cgroup")
      .map((name) => join("/sys/fs/cgroup", name, cgroup))
      .filter((path) => existsSync(path)),
    ...[stateDir, runtime.dir].filter((path) => existsSync(path)),
  ];
  const ours = [stateDir, runtime.dir, network.bridge, network.subnet.replace(/0\/24$/, ""), cgroup];
  return found.filter((line) => ours.some((mark) => line.includes(mark)));
}

/** Events that a user would worry about. */
async function warnings(): Promise<string[]> {
  await using kube = connectKube(loadKubeconfig(statePaths(stateDir).kubeconfig));
  const { items } = await kube.list(EVENTS, {}, AbortSignal.timeout(10_000));
  return items.filter(({ type }) => type === "Warning").map(({ reason, message }) => `${reason}: ${message}`);
}

/** The sample's user asks the device for this temperature. */
async function desire(value: string): Promise<void> {
  await using kube = connectKube(loadKubeconfig(statePaths(stateDir).kubeconfig));
  const body = [{ op: "replace", path: "/spec/properties/0/desired/value", value }];
  const key = { namespace: "default", name: "thermometer" };
  await kube.patch(DEVICES, key, { type: "json", body }, AbortSignal.timeout(10_000));
}

/** What else runs on this host is not ours to judge. */
async function doctorsFindAllWell(): Promise<void> {
  const { edge, cloud } = statePaths(stateDir);
  for (const [program, config] of [
    ["edgecore", edge.config],
    ["cloudcore", cloud.config],
  ] as const) {
    const doctor = run(kedge, [program, "doctor", "--config", config, "--output", "json"]);
    const { stdout } = await doctor.catch((error: { stdout: string }) => error);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; detail: string }[] };
    const bad = checks.filter(({ name, state }) => state === "failed" && name !== "agent");
    assert.deepEqual(bad, [], program);
  }
}

after(async () => {
  for (const dir of [stateDir, join(parent, "mine")])
    // what a test that failed may have left running
    if (existsSync(dir)) await run(kedge, ["down", "--purge", "--state-dir", dir]).catch(() => undefined);
  rmSync(parent, { recursive: true, force: true });
});

test(
  "up, up again, status, down --purge: all of it works, and nothing is left",
  { skip, timeout: 300_000 },
  async () => {
    const flags = ["--state-dir", stateDir, "--node-name", node, ...(await ports())];
    const first = await run(kedge, ["up", ...flags]);
    assert.match(first.stdout, /node +up-node +Ready/);
    assert.match(first.stdout, /twin +thermometer\/target +21\.5/);
    const page = /http:\/\/\S+/.exec(first.stdout)?.[0] ?? "";
    assert.match(await (await fetch(page)).text(), /ConfigMap hello-page/);
    assert.match(await (await fetch(`${page}cgi-bin/whoami.sh`)).text(), /^Ahoy from pod hello-\S+ on node up-node\n$/);

    const second = await run(kedge, ["up", ...flags]);
    assert.match(second.stdout, /node +up-node +Ready/);
    const { stdout: status } = await run(kedge, ["status", "--state-dir", stateDir]);
    assert.match(status, /edge +running/);
    assert.match(status, /default\/thermometer/);
    assert.match((await run(kedge, ["logs", "edge", "--state-dir", stateDir])).stdout, /edgecore/);
    assert.match((await run(kedge, ["logs", "sensor", "--state-dir", stateDir])).stdout, /connected to the broker/);
    assert.deepEqual(await warnings(), []);
    await doctorsFindAllWell();
    await desire("warm");
    const third = await run(kedge, ["up", ...flags]);
    assert.match(third.stdout, /thermometer\/target +21\.5 +desired warm, which this device cannot take/);

    await run(kedge, ["down", "--state-dir", stateDir]);
    await assert.rejects(run(kedge, ["status", "--state-dir", stateDir]), { code: 1, stdout: /edge +stopped/ });
    await run(kedge, ["up", ...flags]);
    await run(kedge, ["down", "--purge", "--state-dir", stateDir]);
    assert.deepEqual(await traces(), []);
    assert.ok(!existsSync(stateDir));
  },
);

test(
  "up on a cluster that is there: its API, our cloudcore and node",
  { skip: skip || TestKubernetes.missing(), timeout: 200_000 },
  async () => {
    await using kubernetes = await TestKubernetes.start({ controllerManager: true, scheduler: true });
    const flags = ["--state-dir", stateDir, "--node-name", node, "--kubeconfig", kubernetes.adminKubeconfig];
    const { stdout } = await run(kedge, ["up", ...flags, ...(await ports())]);
    assert.match(stdout, /twin +thermometer\/target +21\.5/);
    assert.match(
      await kubernetes.kubectl("get", "nodes,pods,devices"),
      /up-node +Ready[\s\S]*hello-\S+ +1\/1 +Running/,
    );
    await run(kedge, ["down", "--purge", "--state-dir", stateDir]);
    assert.deepEqual(await traces(), []);
  },
);

test("what runs keeps its settings, and a purge keeps what is the user's", { skip, timeout: 120_000 }, async () => {
  const mine = join(parent, "mine");
  mkdirSync(mine);
  writeFileSync(join(mine, "precious"), "");
  const flags = ["--state-dir", mine, "--node-name", node, "--no-sample", ...(await ports())];
  assert.equal(
    await interruptedAfter("control plane and cloudcore", flags),
    `kedge: interrupted; ./kedge up --state-dir ${mine} goes on, ./kedge down --state-dir ${mine} stops what runs\n`,
  );
  await run(kedge, ["up", ...flags]);
  const said = await complaint([...flags, "--mqtt-port", String(await freePort())]);
  assert.match(
    said,
    /^kedge: this runs already with port \d+ for mqtt: give the same options, or first \.\/kedge down$/,
  );
  const { stdout: well } = await run(kedge, ["status", "--state-dir", mine]);
  process.kill(Number(/^edge +running +(\d+)/m.exec(well)?.[1]), "SIGKILL");
  await assert.rejects(run(kedge, ["status", "--state-dir", mine]), {
    code: 1,
    stdout: /^node +up-node +NotReady +its agent is stopped, last heard of \d+ s ago$/m,
  });
  rmSync(statePaths(mine).run.dir, { recursive: true }); // as after a reboot, but for the processes
  for (const pid of pidsOf(mine)) process.kill(pid, "SIGKILL");
  await run(kedge, ["down", "--purge", "--state-dir", mine]);
  assert.deepEqual(readdirSync(mine), ["precious"]);
});

/** Presses Ctrl-C when this step of `up` is done. @returns what it says then. */
async function interruptedAfter(step: string, flags: readonly string[]): Promise<string> {
  const up = spawn(kedge, ["up", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  up.stderr.setEncoding("utf8").on("data", (text: string) => void (said += text));
  up.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (text.includes(step)) up.kill("SIGINT");
  });
  const [code] = (await once(up, "close")) as [number | null];
  assert.equal(code, 130, said);
  return said;
}

/** Processes with this folder in their command line. */
function pidsOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(folder);
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

test("a taken port is one clear sentence, and nothing is started", { skip, timeout: 60_000 }, async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  assert.ok(address !== null && typeof address === "object");
  const other = join(parent, "other");
  const flags = ["--state-dir", other, ...(await ports()), "--mqtt-port", String(address.port)];
  await assert.rejects(run(kedge, ["up", ...flags]), (error: { stderr: string }) => {
    assert.match(
      error.stderr,
      new RegExp(`^kedge: port ${address.port}, which the node's MQTT broker needs, is taken`, "m"),
    );
    return true;
  });
  taken.close();
  const { stdout } = await run(kedge, ["down", "--purge", "--state-dir", other]);
  assert.match(stdout, /nothing of ours/);
  assert.ok(!existsSync(other));
  assert.ok(!existsSync(statePaths(other).run.dir));
});

test("a state directory that cannot be written is one clear sentence", { skip, timeout: 60_000 }, async () => {
  await assert.rejects(run(kedge, ["up", "--state-dir", "/proc/kedge"]), /cannot write to \/proc\/kedge/);
});

/** Runs `up` and returns what it complains about: one line. */
async function complaint(args: readonly string[], options: { path?: string; as?: number } = {}): Promise<string> {
  const command = options.as === undefined ? [] : ["setpriv", `--reuid=${options.as}`, "--clear-groups"];
  const [program = "", ...rest] = [...command, kedge, "up", ...args];
  const env = { ...process.env, ...(options.path !== undefined && { PATH: options.path }) };
  const failed = await run(program, rest, { env }).then(
    () => assert.fail("up should not have worked"),
    (error: { stderr: string }) => error.stderr.trim(),
  );
  const lines = failed.split("\n").filter((line) => line !== "kedge: bundling the programs");
  assert.equal(lines.length, 1, failed);
  return lines[0] ?? "";
}

test("without root: one clear sentence", { skip, timeout: 60_000 }, async () => {
  assert.equal(
    await complaint([], { as: 65534 }),
    "kedge: up starts containers and so must run as root: sudo ./kedge up",
  );
});

test("a full disk: one clear sentence, and nothing is started", { skip, timeout: 60_000 }, async () => {
  const small = join(parent, "small");
  mkdirSync(small);
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
  try {
    const said = await complaint(["--state-dir", join(small, "state"), ...(await ports())]);
    assert.match(said, /^kedge: the disk of \S+ has \d MiB free, and at least 500 MiB are needed\./);
    assert.deepEqual(readdirSync(small), []);
  } finally {
    await run("umount", [small]);
  }
});

test(
  "without containerd, and without Debian's package manager: one clear sentence",
  { skip, timeout: 60_000 },
  async () => {
    const bare = join(parent, "bin");
    mkdirSync(bare);
    for (const name of ["sh", "dirname", "readlink", "id", "uname", "cat", "cksum", "find", "head", "mktemp"])
      symlinkSync((await run("which", [name])).stdout.trim(), join(bare, name));
    symlinkSync(process.execPath, join(bare, "node"));
    const said = await complaint([], { path: bare });
    assert.match(said, /^kedge: missing here: containerd runc .*Install them with your system's package manager/);
  },
);
