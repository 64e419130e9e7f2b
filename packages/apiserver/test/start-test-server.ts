import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, systemClock } from "@kedge/runtime";
import { type ApiServer, type ApiServerConfig, startApiServer } from "../src/apiserver.ts";

const START_TIMEOUT_MS = 20_000;

export interface TestServer extends AsyncDisposable {
  readonly api: ApiServer;
  readonly stateDir: string;
}

/** An API server of its own on a free port, with a state folder that goes with it. */
export async function startTestServer(config: Partial<ApiServerConfig> = {}): Promise<TestServer> {
  await using scope = new AsyncDisposableStack();
  const stateDir = mkdtempSync(join(tmpdir(), "kedge-apiserver-"));
  scope.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  const api = scope.use(
    await startApiServer(
      { stateDir, address: "127.0.0.1", port: 0, advertiseAddresses: ["127.0.0.1"], ...config },
      { logger: createLogger({}, { level: "warn" }), clock: systemClock },
      AbortSignal.timeout(START_TIMEOUT_MS),
    ),
  );
  const parts = scope.move();
  return { api, stateDir, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
