import { connect } from "node:net";

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
