import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Forwards TCP connections, until it stops doing so without a word: then they are half open. */
export class StallingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((inner) => {
      const outer = connect(target);
      for (const socket of [inner, outer]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          this.#sockets.delete(socket);
          (socket === inner ? outer : inner).destroy();
        });
      }
      inner.on("data", (data) => outer.write(data));
      outer.on("data", (data) => inner.write(data));
    });
  }

  static async start(target: string): Promise<StallingProxy> {
    const { hostname, port } = new URL(`tcp://${target}`);
    const proxy = new StallingProxy({ host: hostname, port: Number(port) });
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing passes on the connections that there are. */
  stall(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners("data");
      socket.resume(); // what arrives is taken, and lost
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
