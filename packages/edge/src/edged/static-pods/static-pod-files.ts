import { constants, type FSWatcher, watch } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { keyOf, type Pod } from "@kedge/kube";
import { type Clock, hasErrno, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { StateFile } from "../state-file.ts";
import { makeStaticPod, staticPodUid } from "./make-static-pod.ts";
import { parseStaticPod, STATIC_POD_BYTES_MAX } from "./parse-static-pod.ts";
import { StaticPodError } from "./static-pod-error.ts";

export interface StaticPodFilesConfig {
  /** `staticPodPath`: a folder, or one file; empty: none. */
  readonly path: string;
  readonly nodeName: string;
  /** `fileCheckFrequency`: all is read again after this time, should the kernel have told nothing. */
  readonly checkIntervalMs: number;
}

export interface StaticPodFilesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The uid under which this very pod is known already: to the API, begun by another agent. */
  readonly adopt: (pod: Pod) => string | undefined;
  /** What was last known of each file. */
  readonly state: StateFile<StaticPodState>;
}

/** By file. */
export type StaticPodState = Readonly<Record<string, KnownFile>>;

interface KnownFile {
  /** Of what the file said. */
  readonly digest: string;
  readonly pod: Pod;
}

/** What is wrong with a file. */
export interface StaticPodProblem {
  readonly path: string;
  readonly message: string;
}

/** More files in one folder than a node has pods. */
const FILES_MAX = 500;
/** Whoever writes a file causes several events; the last one is the one that counts. */
const SETTLE_MS = 100;

/**
 * Reads static pods from files. A file that turns bad stays what it was, so that a slip of the pen ends no pod; a file that is
 * gone ends its pod.
 */
export class StaticPodFiles {
  readonly #config: StaticPodFilesConfig;
  readonly #deps: StaticPodFilesDeps;
  readonly #wake = new WakeUp();
  #known: Map<string, KnownFile> | undefined;
  #problems: readonly StaticPodProblem[] = [];

  constructor(config: StaticPodFilesConfig, deps: StaticPodFilesDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Files that are not run as they are. */
  get problems(): readonly StaticPodProblem[] {
    return this.#problems;
  }

  /** Reads all files; what cannot be read is a problem, and what was known of it counts. @returns pods by key. */
  async read(): Promise<Map<string, Pod>> {
    this.#known ??= await this.#lastKnown();
    const problems: StaticPodProblem[] = [];
    const pods = new Map<string, Pod>();
    const known = new Map<string, KnownFile>();
    for (const path of await this.#paths(problems)) {
      const file = await this.#readFile(path, problems);
      if (file === undefined) continue;
      known.set(path, file);
      const key = keyOf(file.pod);
      if (pods.has(key)) problems.push({ path, message: `another file has a pod ${key} already` });
      else pods.set(key, file.pod);
    }
    this.#known = known;
    this.#tell(problems);
    await this.#deps.state.write(Object.fromEntries(known)).catch((error: unknown) => {
      this.#deps.logger.warn({ error: toError(error) }, "what is known of static pods is not stored");
    });
    return pods;
  }

  async #lastKnown(): Promise<Map<string, KnownFile>> {
    try {
      return new Map(Object.entries((await this.#deps.state.read()) ?? {}));
    } catch (error) {
      this.#deps.logger.warn({ error: toError(error) }, "what was known of static pods cannot be read");
      return new Map();
    }
  }

  /** Calls `onChange` at once and after whatever may have changed a file, until `signal` aborts; rejects with its reason then. */
  async follow(onChange: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let watcher = this.#watch();
    try {
      for (;;) {
        try {
          await onChange();
        } catch (error) {
          signal.throwIfAborted();
          logger.warn({ path: this.#config.path, error: toError(error) }, "static pods not read");
        }
        await this.#wake.waitOr(this.#config.checkIntervalMs, clock, signal);
        await clock.sleep(SETTLE_MS, signal);
        const next = this.#watch(); // before all is read, and of a folder that may be another one by now
        watcher?.close();
        watcher = next;
      }
    } finally {
      watcher?.close();
    }
  }

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#config.path, { persistent: false }, () => this.#wake.wake());
      watcher.on("error", () => undefined); // it is read regularly, too
      return watcher;
    } catch {
      return undefined; // not there yet
    }
  }

  async #paths(problems: StaticPodProblem[]): Promise<string[]> {
    const { path } = this.#config;
    try {
      if (!(await stat(path)).isDirectory()) return [path];
      const names = (await readdir(path)).filter((name) => !name.startsWith(".")).toSorted();
      if (names.length > FILES_MAX)
        problems.push({
          path,
          message: `more than ${FILES_MAX} files: those after ${names[FILES_MAX - 1]} are ignored`,
        });
      return names.slice(0, FILES_MAX).map((name) => join(path, name));
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return [];
      problems.push({ path, message: toError(error).message });
      return [...(this.#known?.keys() ?? [])];
    }
  }

  async #readFile(path: string, problems: StaticPodProblem[]): Promise<KnownFile | undefined> {
    const before = this.#known?.get(path);
    try {
      const parsed = parseStaticPod(await readBounded(path));
      const { nodeName } = this.#config;
      const digest = staticPodUid(parsed, nodeName, path);
      if (before?.digest === digest) return before;
      const { uid } = parsed.metadata ?? {};
      const pod = makeStaticPod(parsed, uid ?? digest, nodeName, this.#now());
      const adopted = uid === undefined ? this.#deps.adopt(pod) : undefined;
      return { digest, pod: adopted === undefined ? pod : makeStaticPod(parsed, adopted, nodeName, this.#now()) };
    } catch (error) {
      if (hasErrno(error, "ENOENT")) return undefined; // gone since we looked
      problems.push({ path, message: toError(error).message });
      return before;
    }
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }

  #tell(problems: readonly StaticPodProblem[]): void {
    const { logger } = this.#deps;
    const isNew = ({ path, message }: StaticPodProblem) =>
      !this.#problems.some((old) => old.path === path && old.message === message);
    for (const { path, message } of problems.filter(isNew))
      logger.warn({ path, cause: message }, "a file of staticPodPath is not run as it is: correct or remove it");
    for (const { path } of this.#problems)
      if (!problems.some((one) => one.path === path))
        logger.info({ path }, "a file of staticPodPath is in order again");
    this.#problems = problems;
  }
}

/** @throws StaticPodError when it is no file, or too large for one. */
async function readBounded(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // of a pipe there may be no writer
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new StaticPodError("no regular file", { code: "NoPod" });
    if (stats.size > STATIC_POD_BYTES_MAX)
      throw new StaticPodError(`larger than ${STATIC_POD_BYTES_MAX} bytes`, { code: "TooLarge" });
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
