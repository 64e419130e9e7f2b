import { connect, createServer } from "node:net";

/** Whether this address and port could be listened on now. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Connects and hangs up. @throws as the socket does: `ECONNREFUSED`, `ENOTFOUND`, …; `ETIMEDOUT` after `timeoutMs`. */
export function tryConnect(port: number, host: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect({ port, host });
    probe.setTimeout(timeoutMs, () =>
      probe.destroy(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: "ETIMEDOUT" })),
    );
    probe.once("error", reject);
    probe.once("connect", () => {
      probe.destroy();
      resolve();
    });
  });
}
