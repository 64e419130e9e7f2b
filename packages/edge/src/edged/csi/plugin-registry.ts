import { type FSWatcher, watch } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { loadPluginServices } from "@kedge/cri";
import { Backoff, type Clock, Component, type Logger, toError, WakeUp } from "@kedge/runtime";

export interface Plugin {
  /** `CSIPlugin`, `DevicePlugin`, … */
  readonly type: string;
  readonly name: string;
  /** Socket of its service. */
  readonly endpoint: string;
  readonly versions: readonly string[];
}

/** Who takes plugins of one type. */
export interface PluginHandler {
  /** @throws why not; the plugin is told, and asked again later. */
  register(plugin: Plugin, signal: AbortSignal): Promise<void>;
  /** Its socket is gone, or another one came in its place. */
  deregister(plugin: Plugin): void;
}

export interface PluginRegistryDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  /** By the plugins' type. */
  readonly handlers: ReadonlyMap<string, PluginHandler>;
}

/** Sockets in the directory that are looked at. */
const PLUGINS_MAX = 64;
const DEPTH_MAX = 3;
const CALL_TIMEOUT_MS = 10_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Should a change of the directory have been missed. */
const RESCAN_MS = 60_000;

interface KnownSocket {
  /** Another one may come under the same path. */
  readonly identity: string;
  readonly backoff: Backoff;
  plugin: Plugin | undefined;
  trying: boolean;
  nextTryMs: number;
}

/**
 * Finds plugins as a kubelet does: each puts a socket into `plugins_registry`, is asked there who it is, and is told
 * whether it was taken. Taken is told once what it serves can be used.
 *
 * @see Kubernetes' `pluginregistration` API, v1.
 */
export class PluginRegistry extends Component {
  readonly #directory: string;
  readonly #deps: PluginRegistryDeps;
  readonly #sockets = new Map<string, KnownSocket>();
  readonly #wake = new WakeUp();
  readonly #scanned = Promise.withResolvers<void>();
  readonly #tries = new Set<Promise<void>>();
  #watcher: FSWatcher | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(directory: string, deps: PluginRegistryDeps) {
    super();
    this.#directory = directory;
    this.#deps = deps;
  }

  static async start(directory: string, deps: PluginRegistryDeps): Promise<PluginRegistry> {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const registry = new PluginRegistry(directory, deps);
    registry.#running = registry.#run();
    return registry;
  }

  /** Resolves once each socket that was there at the start has been tried. */
  get scanned(): Promise<void> {
    return this.#scanned.promise;
  }

  /** Whether there are sockets whose plugins did not register yet; they may be about to start. */
  get hasPending(): boolean {
    return [...this.#sockets.values()].some(({ plugin }) => plugin === undefined);
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!this.signal.aborted) {
      try {
        this.#watch();
        const nextTryMs = await this.#round();
        void Promise.all(this.#tries).then(() => this.#scanned.resolve());
        await this.#wake.waitOr(Math.min(RESCAN_MS, Math.max(0, nextTryMs - clock.monotonic())), clock, this.signal);
      } catch (error) {
        if (this.signal.aborted) break;
        logger.warn({ directory: this.#directory, error: toError(error) }, "plugins cannot be looked for");
        await this.#wake.waitOr(RETRY_MAX_MS, clock, this.signal).catch(() => undefined);
      }
    }
  }

  /** Subdirectories are seen at the next scan; plugins put their sockets at the top. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    const watcher = watch(this.#directory, { persistent: false }, () => this.#wake.wake());
    watcher.on("error", () => {
      watcher.close();
      if (this.#watcher === watcher) this.#watcher = undefined;
    });
    this.#watcher = watcher;
  }

  /** @returns when the next one is to be tried again. */
  async #round(): Promise<number> {
    const { clock } = this.#deps;
    const found = await this.#scan();
    for (const [path, known] of this.#sockets) {
      if (found.get(path) === known.identity) continue;
      this.#sockets.delete(path);
      if (known.plugin !== undefined) this.#deregister(known.plugin);
    }
    for (const [path, identity] of found)
      if (!this.#sockets.has(path)) {
        const backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
        this.#sockets.set(path, { identity, backoff, plugin: undefined, trying: false, nextTryMs: 0 });
      }
    const waiting = [...this.#sockets].filter(([, { plugin, trying }]) => plugin === undefined && !trying);
    for (const [path, known] of waiting) if (known.nextTryMs <= clock.monotonic()) this.#try(path, known);
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...waiting.filter(([, { trying }]) => !trying).map(([, { nextTryMs }]) => nextTryMs),
    );
  }

  /** Beside all else: a socket that nobody listens to any more must not hold the others up. */
  #try(path: string, known: KnownSocket): void {
    known.trying = true;
    const tried = this.#register(path, known).finally(() => {
      known.trying = false;
      this.#tries.delete(tried);
      this.#wake.wake();
    });
    this.#tries.add(tried);
  }

  async #register(path: string, known: KnownSocket): Promise<void> {
    const { logger, clock, handlers } = this.#deps;
    try {
      const { PluginRegistration } = await loadPluginServices();
      using registration = new PluginRegistration(path, CALL_TIMEOUT_MS);
      const { type, name, endpoint, supportedVersions } = await registration.info(this.signal);
      const plugin: Plugin = { type, name, endpoint: endpoint === "" ? path : endpoint, versions: supportedVersions };
      try {
        const handler = handlers.get(type);
        if (handler === undefined) throw new Error(`this node takes no plugins of type ${JSON.stringify(type)}`);
        await handler.register(plugin, this.signal);
      } catch (error) {
        await registration.notify(toError(error).message, this.signal).catch(() => undefined);
        throw error;
      }
      if (this.#sockets.get(path) !== known) return handlers.get(type)?.deregister(plugin); // it is gone already
      known.plugin = plugin;
      logger.info({ type, name, endpoint: plugin.endpoint }, "plugin registered");
      await registration.notify("", this.signal).catch((error: unknown) => {
        logger.warn({ path, error: toError(error) }, "plugin registered, but it could not be told so");
      });
    } catch (error) {
      if (this.signal.aborted) return;
      known.nextTryMs = clock.monotonic() + known.backoff.next();
      logger.debug({ path, error: toError(error) }, "plugin not registered yet");
    }
  }

  #deregister(plugin: Plugin): void {
    this.#deps.handlers.get(plugin.type)?.deregister(plugin);
    this.#deps.logger.info({ type: plugin.type, name: plugin.name }, "plugin gone");
  }

  /** Path → identity of the sockets; names with a leading dot are not plugins. */
  async #scan(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const walk = async (directory: string, depth: number): Promise<void> => {
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (entry.name.startsWith(".") || found.size >= PLUGINS_MAX) continue;
        const path = join(directory, entry.name);
        if (entry.isDirectory() && depth < DEPTH_MAX) await walk(path, depth + 1).catch(() => undefined);
        if (!entry.isSocket()) continue;
        const stat = await lstat(path).catch(() => undefined);
        if (stat !== undefined) found.set(path, `${stat.dev}:${stat.ino}:${stat.ctimeMs}`);
      }
    };
    await mkdir(this.#directory, { recursive: true, mode: 0o750 });
    await walk(this.#directory, 0);
    return found;
  }

  protected override async stop(): Promise<void> {
    this.#watcher?.close();
    await this.#running;
    await Promise.all(this.#tries);
    this.#scanned.resolve();
    for (const { plugin } of this.#sockets.values())
      if (plugin !== undefined) this.#deps.handlers.get(plugin.type)?.deregister(plugin);
  }
}
