import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { TestProcess } from "@kedge/testing";

const run = promisify(execFile);
const START_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** Where stock edgecore writes, whatever its configuration says: `/var/log/containers`, `/var/lib/kubelet`, `/etc/kubeedge`. */
const WRITABLE = ["/etc", "/var", "/usr/libexec"];

/** What a kubelet sets in the kernel; it leaves alone what has these values already. */
const TUNABLES = {
  "/proc/sys/vm/overcommit_memory": "1",
  "/proc/sys/vm/panic_on_oom": "0",
  "/proc/sys/kernel/panic": "10",
  "/proc/sys/kernel/panic_on_oops": "1",
  "/proc/sys/kernel/keys/root_maxkeys": "1000000",
  "/proc/sys/kernel/keys/root_maxbytes": "25000000",
};

/**
 * A mount namespace in which a stock edgecore finds the host's files, and in which what it writes beside its configured
 * folders is gone with the namespace: its view of {@link WRITABLE} and of {@link TUNABLES} is a copy.
 */
export class EdgeHost implements AsyncDisposable {
  /** Put before a command, runs it in here. */
  readonly enter: readonly string[];
  /** Where its `/` is seen from outside. */
  readonly root: string;
  readonly #dir: string;
  readonly #holder: TestProcess;

  private constructor(dir: string, holder: TestProcess) {
    this.#dir = dir;
    this.#holder = holder;
    this.root = `/proc/${holder.pid}/root`;
    this.enter = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--"];
  }

  static async create(): Promise<EdgeHost> {
    const dir = await mkdtemp(join(tmpdir(), "kedge-edge-host-"));
    const args = ["--mount", "--propagation", "private", "sleep", "infinity"];
    const holder = TestProcess.start("mount namespace", "unshare", args, join(dir, "unshare.log"));
    await using scope = new AsyncDisposableStack();
    const host = scope.use(new EdgeHost(dir, holder));
    await host.#untilSeparate();
    const scratch = join(dir, "scratch");
    await mkdir(scratch);
    await host.#run("mount", "-t", "tmpfs", "kedge-test", scratch);
    for (const [index, folder] of WRITABLE.entries()) {
      const [upper, work] = [join(scratch, `${index}`), join(scratch, `${index}.work`)];
      await host.#run("mkdir", upper, work);
      const options = `lowerdir=${folder},upperdir=${upper},workdir=${work}`;
      await host.#run("mount", "-t", "overlay", "kedge-test", "-o", options, folder);
    }
    for (const [index, [path, value]] of Object.entries(TUNABLES).entries()) {
      const file = join(dir, `tunable-${index}`);
      await writeFile(file, `${value}\n`);
      await host.#run("mount", "--bind", file, path);
    }
    scope.move();
    return host;
  }

  async #run(...command: string[]): Promise<void> {
    const [program = "", ...args] = [...this.enter, ...command];
    await run(program, args);
  }

  /** Nothing tells when another process has left our namespace. */
  async #untilSeparate(): Promise<void> {
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const ours = await readlink("/proc/self/ns/mnt");
    for (;;) {
      const theirs = await readlink(`/proc/${this.#holder.pid}/ns/mnt`).catch(() => ours);
      const program = await readFile(`/proc/${this.#holder.pid}/comm`, "utf8").catch(() => "");
      if (theirs !== ours && program.trim() === "sleep") return; // unshare has also set its mounts' propagation by then
      if (!this.#holder.running) throw new Error(`no mount namespace: ${this.#holder.logTail()}`);
      await delay(POLL_MS, undefined, { signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
