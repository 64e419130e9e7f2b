import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, Component, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { callController } from "./controller-calls.ts";
import { CsiDrivers } from "./csi-drivers.ts";
import { CsiNodePublisher } from "./csi-node-publisher.ts";
import { CsiVolumes } from "./csi-volumes.ts";
import { type PluginHandler, PluginRegistry } from "./plugin-registry.ts";

export interface NodePluginsConfig {
  /** The kubelet's, without symbolic links: `plugins_registry` and `plugins` are below it. */
  readonly rootDirectory: string;
  readonly nodeName: string;
}

export interface NodePluginsDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The caller in the cloud gives up after a minute. */
const CONTROLLER_TIMEOUT_MS = 55_000;

/** What volumes are to do when a driver comes. */
export interface DriverFollower {
  retryReleases(signal: AbortSignal): Promise<void>;
}

/** The plugins of this node, and the CSI drivers among them. */
export class NodePlugins extends Component {
  readonly volumes: CsiVolumes;
  readonly drivers: CsiDrivers;
  readonly #logger: Logger;
  readonly #scope = new AsyncDisposableStack();
  #followers: readonly DriverFollower[] = [];
  #work: Promise<void> = Promise.resolve();
  #publisher: CsiNodePublisher | undefined;

  private constructor(volumes: CsiVolumes, drivers: CsiDrivers, logger: Logger) {
    super();
    this.volumes = volumes;
    this.drivers = drivers;
    this.#logger = logger;
  }

  static async start({ rootDirectory, nodeName }: NodePluginsConfig, deps: NodePluginsDeps): Promise<NodePlugins> {
    const { bus, logger, clock } = deps;
    await mkdir(join(rootDirectory, "plugins"), { recursive: true, mode: 0o750 });
    const drivers = new CsiDrivers();
    const plugins = new NodePlugins(new CsiVolumes({ bus, logger, drivers, nodeName, rootDirectory }), drivers, logger);
    const scope = plugins.#scope;
    scope.use(drivers);
    scope.use(drivers.onChange((driver) => plugins.#driverChanged(driver)));
    scope.use(
      bus.handle("edged/csiCall", (call, signal) => callController(call, drivers, bus, CONTROLLER_TIMEOUT_MS, signal)),
    );
    const handlers = new Map<string, PluginHandler>([["CSIPlugin", drivers]]);
    const registry = scope.use(
      await PluginRegistry.start(join(rootDirectory, "plugins_registry"), { logger, clock, handlers }),
    );
    plugins.#publisher = scope.use(
      new CsiNodePublisher({
        bus,
        logger,
        clock,
        nodeName,
        drivers,
        scanned: registry.scanned,
        hasPending: () => registry.hasPending,
      }),
    );
    return plugins;
  }

  /** Has this one told when drivers come. */
  follow(follower: DriverFollower): void {
    this.#followers = [...this.#followers, follower];
  }

  /** The node was registered anew. */
  nodeRegistered(): void {
    this.#publisher?.publishSoon();
  }

  /** What waited for the driver is done now, one after the other. */
  #driverChanged(driver: string): void {
    if (!this.drivers.all.some(({ name }) => name === driver)) return;
    this.#work = this.#work.then(async () => {
      try {
        for (const follower of this.#followers) await follower.retryReleases(this.signal);
        await this.volumes.sweep(driver, this.signal);
      } catch (error) {
        if (!this.signal.aborted)
          this.#logger.warn({ driver, error: toError(error) }, "volumes that nobody has any more are still staged");
      }
    });
  }

  protected override async stop(): Promise<void> {
    await this.#scope.disposeAsync();
    await this.#work;
  }
}
