import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, ResourceRequirements } from "@kedge/kube";
import { type Clock, deferred, silentLogger, systemClock } from "@kedge/runtime";
import { TestDevicePlugin, type TestDevicePluginOptions } from "@kedge/testing";
import { DeviceManager } from "../src/edged/devices/device-manager.ts";

const options = { timeout: 20_000 };
const RESOURCE = "example.com/gpu";

/** A manager with a directory of its own; its listeners are heard. */
class Bed implements AsyncDisposable {
  readonly directory: string;
  readonly #clock: Clock;
  manager: DeviceManager;
  readonly health: string[] = [];
  readonly active = new Set<string>();
  readonly #waiting = new Set<() => void>();

  private constructor(directory: string, clock: Clock, manager: DeviceManager) {
    this.directory = directory;
    this.#clock = clock;
    this.manager = manager;
    this.#listen();
  }

  static async start(clock: Clock = systemClock): Promise<Bed> {
    const directory = await mkdtemp(join(tmpdir(), "kedge-devices-"));
    return new Bed(directory, clock, await DeviceManager.start(directory, { clock, logger: silentLogger }));
  }

  async restart(between: () => Promise<void> = async () => {}): Promise<void> {
    await this.manager[Symbol.asyncDispose]();
    await between();
    this.manager = await DeviceManager.start(this.directory, { clock: this.#clock, logger: silentLogger });
    this.#listen();
  }

  plugin(ids: readonly string[], more: Partial<TestDevicePluginOptions> = {}): Promise<TestDevicePlugin> {
    return TestDevicePlugin.start({ directory: this.directory, resource: RESOURCE, ...more }, ids);
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      const { promise, resolve } = deferred();
      this.#waiting.add(resolve);
      await promise;
    }
  }

  allocate(pod: Pod): Promise<void> {
    this.active.add(pod.metadata?.uid ?? "");
    return this.manager.allocate(pod, AbortSignal.timeout(5_000));
  }

  async environment(pod: Pod, name = "app"): Promise<Record<string, string>> {
    const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    const container = containers.find((one) => one.name === name);
    assert.ok(container);
    const { environment } = await this.manager.prepare(pod, container, AbortSignal.timeout(5_000));
    return Object.fromEntries(environment.map((one) => [one.name, one.value]));
  }

  #listen(): void {
    const wake = () => {
      for (const resolve of this.#waiting) resolve();
      this.#waiting.clear();
    };
    this.manager.listen({
      onCapacity: wake,
      onHealth: (uids) => {
        this.health.push(...uids);
        wake();
      },
      isActive: (uid) => this.active.has(uid),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}

const of = (count: number): ResourceRequirements => ({
  limits: { [RESOURCE]: String(count) },
  requests: { [RESOURCE]: String(count) },
});

function pod(uid: string, count: number, spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return { metadata: { name: uid, uid }, spec: { containers: [{ name: "app", resources: of(count) }], ...spec } };
}

test("a plugin registers, its devices count, and containers get what it says", options, async () => {
  await using bed = await Bed.start();
  await using plugin = await bed.plugin(["gpu-0", "gpu-1", "gpu-2"], {
    preStart: true,
    allocate: (ids) => ({
      envs: { DEVICES: ids.join(",") },
      mounts: [{ containerPath: "/lib/gpu", hostPath: "/opt/gpu", readOnly: true }],
      devices: ids.map((id) => ({ containerPath: `/dev/${id}`, hostPath: "/dev/null", permissions: "rw" })),
      annotations: { "example.com/gpu": ids.join(",") },
      cdiDevices: ids.map((name) => ({ name: `example.com/gpu=${name}` })),
    }),
  });
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "3");
  assert.deepEqual(bed.manager.allocatable(), { [RESOURCE]: "3" });

  const first = pod("uid-1", 2);
  await bed.allocate(first);
  const [container] = first.spec?.containers ?? [];
  assert.ok(container);
  assert.deepEqual(await bed.manager.prepare(first, container, AbortSignal.timeout(5_000)), {
    environment: [{ name: "DEVICES", value: "gpu-0,gpu-1" }],
    mounts: [{ containerPath: "/lib/gpu", hostPath: "/opt/gpu", readonly: true }],
    devices: [
      { containerPath: "/dev/gpu-0", hostPath: "/dev/null", permissions: "rw" },
      { containerPath: "/dev/gpu-1", hostPath: "/dev/null", permissions: "rw" },
    ],
    annotations: { "example.com/gpu": "gpu-0,gpu-1" },
    cdiDevices: [{ name: "example.com/gpu=gpu-0" }, { name: "example.com/gpu=gpu-1" }],
  });
  assert.deepEqual(plugin.calls, ["allocate gpu-0,gpu-1", "preStart gpu-0,gpu-1"]);
  await assert.rejects(bed.allocate(pod("uid-2", 2)), {
    message: `requested number of devices unavailable for ${RESOURCE}. Requested: 2, Available: 1`,
  });
  await bed.manager.release("uid-1");
  await bed.allocate(pod("uid-2", 2));
  assert.deepEqual(bed.manager.healthOf("uid-1", "app"), []);
});

test("pods that are over give their devices back with the next allocation, without being asked", options, async () => {
  await using bed = await Bed.start();
  await using _plugin = await bed.plugin(["gpu-0"]);
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
  await bed.allocate(pod("uid-1", 1));
  bed.active.delete("uid-1");
  await bed.allocate(pod("uid-2", 1));
  assert.deepEqual(await bed.environment(pod("uid-2", 1)), { DEVICES: "gpu-0" });
});

test(
  "devices go from init containers to the next ones, but not from sidecars; the plugin's wish counts",
  options,
  async () => {
    await using bed = await Bed.start();
    const prefer = (available: readonly string[], size: number) => [...available].sort().reverse().slice(0, size);
    await using plugin = await bed.plugin(["a", "b", "c"], { prefer });
    await bed.until(() => bed.manager.capacity()[RESOURCE] === "3");
    const given = pod("uid-1", 2, {
      initContainers: [
        { name: "init", resources: of(1) },
        { name: "sidecar", restartPolicy: "Always", resources: of(1) },
      ],
    });
    await bed.allocate(given);
    assert.deepEqual(await bed.environment(given, "init"), { DEVICES: "c" });
    assert.deepEqual(await bed.environment(given, "sidecar"), { DEVICES: "c" }, "the first is over by then");
    assert.deepEqual(await bed.environment(given), { DEVICES: "a,b" });
    assert.equal(plugin.calls.filter((call) => call === "prefer").length, 2, "who takes over asks nobody");
  },
);

test("a device that fails is told of its pod, and no new pod gets it", options, async () => {
  await using bed = await Bed.start();
  await using plugin = await bed.plugin(["gpu-0", "gpu-1"]);
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "2");
  await bed.allocate(pod("uid-1", 1));
  plugin.set({ "gpu-0": { healthy: false }, "gpu-1": { healthy: true } });
  await bed.until(() => bed.health.length > 0);
  assert.deepEqual(bed.health, ["uid-1"]);
  assert.deepEqual([bed.manager.capacity(), bed.manager.allocatable()], [{ [RESOURCE]: "2" }, { [RESOURCE]: "1" }]);
  assert.deepEqual(bed.manager.healthOf("uid-1", "app"), [
    { name: RESOURCE, resources: [{ resourceID: "gpu-0", health: "Unhealthy" }] },
  ]);
  assert.equal(bed.manager.allocatableFor(pod("uid-1", 1))[RESOURCE], "1");
  await bed.allocate(pod("uid-2", 1));
  assert.deepEqual(await bed.environment(pod("uid-2", 1)), { DEVICES: "gpu-1" });
});

test("over a restart of the agent containers keep their devices; they wait for the plugin", options, async () => {
  await using bed = await Bed.start();
  const first = pod("uid-1", 1);
  {
    await using _plugin = await bed.plugin(["gpu-0", "gpu-1"]);
    await bed.until(() => bed.manager.capacity()[RESOURCE] === "2");
    await bed.allocate(first);
  }
  const socket = join(bed.directory, "other.sock");
  await bed.restart(async () => writeFile(join(bed.directory, "notes"), "not a socket: it stays"));
  assert.equal(existsSync(join(bed.directory, "notes")), true);
  assert.equal(existsSync(socket), false);
  assert.deepEqual(bed.manager.capacity(), { [RESOURCE]: "0" }, "until the plugin is back");
  assert.equal(bed.manager.allocatableFor(first)[RESOURCE], "1", "but for who has some");
  await bed.allocate(first);
  await assert.rejects(bed.environment(first), { code: "DeviceUnavailable" });
  await assert.rejects(bed.allocate(pod("uid-2", 1)), /no healthy devices present/);

  await using plugin = await bed.plugin(["gpu-0", "gpu-1"]);
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "2");
  assert.deepEqual(await bed.environment(first), { DEVICES: "gpu-0" });
  assert.deepEqual(plugin.calls, [], "nothing is allocated twice");
});

test(
  "a plugin that starts anew takes its place; one that ends is shown for a while without devices",
  options,
  async () => {
    let laterMs = 0;
    await using bed = await Bed.start({ ...systemClock, monotonic: () => systemClock.monotonic() + laterMs });
    const plugin = await bed.plugin(["gpu-0"]);
    await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
    await plugin.serve();
    await plugin.register();
    plugin.set({ "gpu-0": { healthy: true }, "gpu-1": { healthy: true } });
    await bed.until(() => bed.manager.allocatable()[RESOURCE] === "2");
    await plugin[Symbol.asyncDispose]();
    await bed.until(() => bed.manager.allocatable()[RESOURCE] === "0");
    assert.deepEqual(bed.manager.capacity(), { [RESOURCE]: "2" });
    laterMs = 5 * 60_000 + 1_000;
    assert.deepEqual(bed.manager.capacity(), { [RESOURCE]: "0" });
    await using _again = await bed.plugin(["gpu-0"]);
    await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
  },
);

test("plugins that cannot be are told why", options, async () => {
  await using bed = await Bed.start();
  await assert.rejects(bed.plugin([], { version: "v1alpha1" }), /API version "v1alpha1" is not supported/);
  for (const resource of ["cpu", "kubernetes.io/x", "requests.example.com/x", "example.com/", "a b/c"])
    await assert.rejects(bed.plugin([], { resource }), /is invalid/);
  await using _ok = await bed.plugin(["a"], { endpoint: "ok.sock" });
  const elsewhere = TestDevicePlugin.start({ directory: bed.directory, resource: RESOURCE, endpoint: "../x.sock" }, []);
  await assert.rejects(elsewhere, /must name a socket in/);
  await rm(join(bed.directory, "../x.sock"), { force: true });
});

test("an allocation that the plugin refuses takes nothing", options, async () => {
  await using bed = await Bed.start();
  let refuses = true;
  const allocate = (ids: readonly string[]) => {
    if (refuses) throw new Error("busy");
    return { envs: { DEVICES: ids.join(",") } };
  };
  await using _plugin = await bed.plugin(["gpu-0"], { allocate });
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
  await assert.rejects(bed.allocate(pod("uid-1", 1)), /busy/);
  refuses = false;
  await bed.allocate(pod("uid-2", 1));
  assert.deepEqual(await bed.environment(pod("uid-2", 1)), { DEVICES: "gpu-0" });
});

test("listens again when its socket was removed", options, async () => {
  await using bed = await Bed.start();
  const socket = join(bed.directory, "kubelet.sock");
  await rm(socket);
  const { watch } = await import("node:fs/promises");
  const life = new AbortController();
  for await (const _event of watch(bed.directory, { signal: life.signal })) {
    if (!existsSync(socket)) continue;
    break;
  }
  life.abort();
  await using _plugin = await bed.plugin(["gpu-0"]);
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
});

test("a damaged checkpoint costs what it held, not the node", options, async () => {
  await using bed = await Bed.start();
  await using plugin = await bed.plugin(["gpu-0"]);
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
  await bed.allocate(pod("uid-1", 1));
  const checkpoint = join(bed.directory, "kubelet_internal_checkpoint");
  await bed.restart(async () => writeFile(checkpoint, (await readFile(checkpoint, "utf8")).slice(0, 40)));
  assert.deepEqual(bed.manager.capacity(), {});
  await plugin.serve();
  await plugin.register();
  await bed.until(() => bed.manager.capacity()[RESOURCE] === "1");
  assert.deepEqual(await bed.environment(pod("uid-1", 1)), { DEVICES: "gpu-0" }, "given again before it starts");
});
