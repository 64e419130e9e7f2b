import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { busyboxImage, CriClient, type OciImage, pauseImage, writeOciLayout } from "@kedge/cri";
import { containerdConfig, cniConfig, LOOPBACK_CONFIG } from "./containerd-config.ts";
import { inNetns } from "./in-netns.ts";
import { killProcessesOf, removeCgroups, removeLink, unmountBelow } from "./host-cleanup.ts";

const run = promisify(execFile);

/** A small userland: `sh`, `sleep`, `cat`, `httpd`, … */
export const TEST_IMAGE = "kedge.local/busybox:1";
const PAUSE_IMAGE = "kedge.local/pause:1";
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const NEEDED = ["/usr/bin/containerd", "/usr/sbin/runc", "/usr/lib/cni/bridge", "/bin/busybox"];

export interface TestContainerdOptions {
  /** A network namespace that the test made: the daemon, and so bridge and pods, live in there. */
  readonly netns?: string;
  /** A command that runs another in namespaces that the test made: the daemon and its mounts live in there. */
  readonly enter?: readonly string[];
}

/** A containerd of its own: root, socket, bridge, images. Disposing leaves no process, mount, link or file. */
export class TestContainerd implements AsyncDisposable {
  /** Scratch folder that goes with it; give tests folders in here. */
  readonly root: string;
  readonly endpoint: string;
  readonly client: CriClient;
  /** Also the name for a cgroup of the test's own, which goes with it. */
  readonly bridge: string;
  readonly #socket: string;
  readonly #enter: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(root: string, bridge: string, enter: readonly string[]) {
    this.#enter = enter;
    this.root = root;
    this.bridge = bridge;
    this.#socket = join(root, "c.sock");
    this.endpoint = `unix://${this.#socket}`;
    this.client = new CriClient({ runtimeEndpoint: this.endpoint, timeoutMs: 30_000 });
  }

  /** Why it cannot run here, for `test(…, { skip })`; `false` if it can. */
  static missing(): string | false {
    if (process.getuid?.() !== 0) return "needs root";
    const absent = NEEDED.filter((path) => !existsSync(path));
    return absent.length === 0 ? false : `needs ${absent.join(", ")}`;
  }

  static async start({ netns, enter = [] }: TestContainerdOptions = {}): Promise<TestContainerd> {
    const root = await mkdtemp(join(tmpdir(), "kedge-containerd-"));
    const tag = randomBytes(4).toString("hex");
    await using scope = new AsyncDisposableStack();
    const containerd = scope.use(new TestContainerd(root, `kt${tag}`, [...enter, ...inNetns(netns, [])]));
    await containerd.#writeConfig(tag);
    await containerd.startDaemon();
    await containerd.importImages([await pauseImage(PAUSE_IMAGE), await busyboxImage(TEST_IMAGE)]);
    scope.move();
    return containerd;
  }

  async #writeConfig(tag: string): Promise<void> {
    const { root } = this;
    const cniConfDir = join(root, "net.d");
    await mkdir(cniConfDir);
    const facts = { root, socket: this.#socket, cniConfDir, sandboxImage: PAUSE_IMAGE };
    await writeFile(join(root, "config.toml"), containerdConfig(facts));
    const network = cniConfig(`kedge-test-${tag}`, this.bridge, freeSubnet(), join(root, "ipam"));
    await writeFile(join(cniConfDir, "10-test.conflist"), network);
    await writeFile(join(cniConfDir, "99-loopback.conflist"), LOOPBACK_CONFIG);
  }

  /** Starts the daemon again after {@link stopDaemon}; containers went on meanwhile. */
  async startDaemon(): Promise<void> {
    const [program, ...args] = [...this.#enter, "containerd", "--config", join(this.root, "config.toml")];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    const lines = createInterface({ input: child.stderr });
    const booted = Promise.withResolvers<void>();
    lines.on("line", (line) => {
      if (line.includes("containerd successfully booted")) booted.resolve();
      void appendFile(join(this.root, "containerd.log"), `${line}\n`).catch(() => undefined);
    });
    child.once("exit", () => booted.reject(new Error(`containerd ended: see ${this.root}/containerd.log`)));
    child.once("error", (error) => booted.reject(error));
    const timer = setTimeout(() => booted.reject(new Error("containerd did not boot in time")), START_TIMEOUT_MS);
    try {
      await booted.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the daemon alone. */
  async stopDaemon(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /**
   * As if the plug were pulled: daemon, shims and containers are killed, and what no reboot keeps is gone: mounts, link,
   * `/run`. {@link startDaemon} boots again. What else lives in {@link root} loses its mounts, too.
   */
  async pullPlug(): Promise<void> {
    await this.stopDaemon();
    await killProcessesOf(this.#socket);
    await unmountBelow(this.root);
    await removeLink(this.bridge);
    await rm(join(this.root, "state"), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  async importImages(images: readonly OciImage[]): Promise<void> {
    const archive = join(this.root, `images-${randomBytes(4).toString("hex")}.tar`);
    await writeFile(archive, writeOciLayout(images));
    await run("ctr", ["--address", this.#socket, "--namespace", "k8s.io", "images", "import", archive]);
    await rm(archive);
  }

  /** What the daemon wrote so far, for a failing test's message. */
  log(): Promise<string> {
    return readFile(join(this.root, "containerd.log"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#process !== undefined) await this.#removePods(AbortSignal.timeout(STOP_TIMEOUT_MS));
    } catch {
      // what the daemon does not remove we take down below
    }
    this.client[Symbol.dispose]();
    await this.stopDaemon();
    await killProcessesOf(this.#socket);
    await unmountBelow(this.root);
    await removeLink(this.bridge);
    await removeCgroups(this.bridge);
    await rm(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  async #removePods(signal: AbortSignal): Promise<void> {
    const { runtime } = this.client;
    const sandboxes = await runtime.listPodSandboxes({}, signal);
    await Promise.all(
      sandboxes.map(async ({ id }) => {
        await runtime.stopPodSandbox(id, signal);
        await runtime.removePodSandbox(id, signal);
      }),
    );
  }
}

/** A random /24 of 10.128.0.0/9 that no interface of this machine is in. */
function freeSubnet(): string {
  const taken = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  for (;;) {
    const prefix = `10.${randomInt(128, 255)}.${randomInt(0, 255)}.`;
    if (!taken.some(({ address }) => address.startsWith(prefix))) return `${prefix}0/24`;
  }
}
