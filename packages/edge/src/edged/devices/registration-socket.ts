import { type FSWatcher, watch } from "node:fs";
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type GrpcMethod, GrpcServer } from "@kedge/cri";
import { type Logger, toError } from "@kedge/runtime";

/** Where plugins look for a kubelet. */
const SOCKET = "kubelet.sock";

/** The door for plugins: it is there for as long as the agent runs, also when somebody removes it. */
export class RegistrationSocket implements AsyncDisposable {
  readonly #directory: string;
  readonly #methods: () => Promise<readonly GrpcMethod[]>;
  readonly #logger: Logger;
  #server: GrpcServer | undefined;
  #watcher: FSWatcher | undefined;
  #relisten: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(directory: string, methods: () => Promise<readonly GrpcMethod[]>, logger: Logger) {
    this.#directory = directory;
    this.#methods = methods;
    this.#logger = logger;
  }

  /**
   * @param directory made if it is not there. Sockets in it are removed: by that plugins know that they must register anew.
   * @param methods asked for with the first call.
   * @throws when nobody can listen there.
   */
  static async open(
    directory: string,
    methods: () => Promise<readonly GrpcMethod[]>,
    logger: Logger,
  ): Promise<RegistrationSocket> {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      if (await isSocket(path)) await rm(path, { force: true });
    }
    const door = new RegistrationSocket(directory, methods, logger);
    await door.#listen();
    door.#watcher = watch(directory, { persistent: false }, (_event, name) => {
      if (name === SOCKET) door.#listenAgain();
    }).on("error", () => undefined); // the directory is gone, and with it whoever could call
    return door;
  }

  async #listen(): Promise<void> {
    this.#server = await GrpcServer.listen(join(this.#directory, SOCKET), this.#methods);
  }

  #listenAgain(): void {
    this.#relisten = this.#relisten
      .then(async () => {
        if (this.#isClosed || (await isSocket(join(this.#directory, SOCKET)))) return;
        await this.#server?.[Symbol.asyncDispose]();
        await this.#listen();
        this.#logger.info({ directory: this.#directory }, "listening again for device plugins");
      })
      .catch((error: unknown) => {
        this.#logger.warn({ error: toError(error) }, "not listening for device plugins any more");
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    await this.#relisten;
    await this.#server?.[Symbol.asyncDispose]();
  }
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSocket();
  } catch {
    return false;
  }
}
