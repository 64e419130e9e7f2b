import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A line of bytes between an edge and a cloud that can be cut in the middle of a frame, or be slow. */
export class FaultLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #delayMs = 0;
  #cutAfterBytes = Infinity;
  #severed = false;

  private constructor(targetPort: number) {
    this.#server = createServer((edge) => {
      if (this.#severed) {
        edge.resetAndDestroy();
        return;
      }
      const cloud = connect(targetPort, "127.0.0.1");
      for (const [from, to] of [
        [edge, cloud],
        [cloud, edge],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => undefined);
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on("data", (data: Buffer) => this.#carry(data, to));
      }
    });
  }

  static async start(targetPort: number, host: string): Promise<FaultLink> {
    const link = new FaultLink(targetPort);
    link.#server.listen(0, host);
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #carry(data: Buffer, to: Socket): void {
    if (data.length > this.#cutAfterBytes) {
      to.write(data.subarray(0, this.#cutAfterBytes), () => this.#reset());
      this.#cutAfterBytes = Infinity;
      return;
    }
    this.#cutAfterBytes -= data.length;
    if (this.#delayMs === 0) to.write(data);
    else setTimeout(() => to.destroyed || to.write(data), this.#delayMs); // one timer length: the order is kept
  }

  /** Once this many more bytes were carried all connections break, wherever a frame stands. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes;
  }

  /** Nobody gets through until {@link mend}. */
  sever(): void {
    this.#severed = true;
    this.#reset();
  }

  mend(): void {
    this.#severed = false;
  }

  /** Each way. */
  setDelay(ms: number): void {
    if (ms < this.#delayMs) this.#reset(); // or what was delayed would be overtaken
    this.#delayMs = ms;
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reset();
    this.#server.close();
    await once(this.#server, "close");
  }
}
