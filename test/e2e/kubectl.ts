import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { findKubernetesBinaries } from "@kedge/testing";

export interface KubectlResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlOptions {
  readonly stdin?: string;
  /** Of the environment, beside what is needed anyway. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** How kubectl reaches through: it has two ways, of which the second is the older. */
export const STREAM_MODES: readonly { readonly name: string; readonly env: Readonly<Record<string, string>> }[] = [
  { name: "WebSocket", env: modeEnv("true") },
  { name: "SPDY", env: modeEnv("false") },
];

function modeEnv(webSocket: string): Record<string, string> {
  return { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: webSocket, KUBECTL_PORT_FORWARD_WEBSOCKETS: webSocket };
}

/** kubectl of the real release, as its user runs it. */
export class Kubectl {
  readonly #kubeconfig: string;

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig;
  }

  static missing(): string | false {
    const found = findKubernetesBinaries();
    return typeof found === "string" ? found : false;
  }

  /** Runs it to its end, whatever that is. @throws if it takes too long. */
  async try(args: readonly string[], { stdin, env, timeoutMs = 30_000 }: KubectlOptions = {}): Promise<KubectlResult> {
    const child = this.spawn(args, env);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.stdin.on("error", () => undefined); // it may end before it has read all
    child.stdin.end(stdin);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.once("close", resolve);
    const code = await promise;
    clearTimeout(timer);
    const result = { code, stdout: stdout.text(), stderr: stderr.text() };
    if (code === null) throw new Error(`kubectl ${args.join(" ")} did not end: ${result.stdout}\n${result.stderr}`);
    return result;
  }

  /** @returns what it printed. @throws if it fails. */
  async run(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, options);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}\n${stdout}`);
    return stdout;
  }

  /** Runs a shell in a terminal of its own; `$KUBECTL` is kubectl. @returns all that was shown. */
  async inTerminal(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const all = { ...process.env, ...env, KUBECONFIG: this.#kubeconfig, KUBECTL: kubectlPath() };
    const child = spawn("script", ["-qec", command, "/dev/null"], { env: all, stdio: ["pipe", "pipe", "inherit"] });
    const shown = collect(child.stdout);
    const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    child.once("close", resolve);
    await promise;
    clearTimeout(timer);
    return shown.text();
  }

  /** Starts it; the caller ends it. */
  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcessWithoutNullStreams {
    return spawn(kubectlPath(), [...args], { env: { ...process.env, ...env, KUBECONFIG: this.#kubeconfig } });
  }

  /** Starts it, and reads along what it prints. */
  follow(args: readonly string[], env: Readonly<Record<string, string>> = {}): Following {
    return new Following(this.spawn(args, env));
  }
}

/** A kubectl that runs on. */
export class Following implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #stdout: { text(): string };
  readonly #stderr: { text(): string };
  readonly #ended: Promise<number | null>;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    this.#stdout = collect(child.stdout);
    this.#stderr = collect(child.stderr);
    this.#ended = new Promise((resolve) => child.once("close", resolve));
  }

  get stdout(): string {
    return this.#stdout.text();
  }

  get stderr(): string {
    return this.#stderr.text();
  }

  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Resolves once what was printed so far fits. @throws after 30 s, or if kubectl ends before. */
  async until(accept: (stdout: string, stderr: string) => boolean, what: string, timeoutMs = 30_000): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const look = () => accept(this.stdout, this.stderr) && resolve(undefined);
    const fail = (why: string) => reject(new Error(`${what}: ${why}\n${this.stdout}\n${this.stderr}`));
    const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs);
    this.child.stdout.on("data", look);
    this.child.stderr.on("data", look);
    void this.#ended.then((code) =>
      accept(this.stdout, this.stderr) ? resolve(undefined) : fail(`kubectl ended with ${code}`),
    );
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.child.stdout.off("data", look);
      this.child.stderr.off("data", look);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }
}

function kubectlPath(): string {
  const found = findKubernetesBinaries();
  if (typeof found === "string") throw new Error(found);
  return found.kubectl;
}

function collect(stream: NodeJS.ReadableStream): { text(): string } {
  const parts: Buffer[] = [];
  stream.on("data", (part: Buffer) => parts.push(part));
  return { text: () => Buffer.concat(parts).toString() };
}
