import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type KubeTransport, loadKubeconfig, UndiciTransport } from "@kedge/kube-client";
import { createLogger, systemClock } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { startApiServer } from "../../src/apiserver.ts";
import { ask } from "./compare.ts";
import { CUSTOM_EXCHANGES } from "./custom-exchanges.ts";
import { EXCHANGES } from "./exchanges.ts";
import { POD_EXCHANGES } from "./pod-exchanges.ts";

describe("answers as kube-apiserver does", { skip: TestKubernetes.missing(), timeout: 120_000 }, () => {
  const scope = new AsyncDisposableStack();
  let theirs: KubeTransport;
  let ours: KubeTransport;
  before(async () => {
    const kubernetes = scope.use(await TestKubernetes.start({ serviceAccountAdmission: true }));
    theirs = scope.use(new UndiciTransport(kubernetes.connection()));
    const stateDir = mkdtempSync(join(tmpdir(), "kedge-parity-"));
    scope.defer(() => rmSync(stateDir, { recursive: true, force: true }));
    const api = scope.use(
      await startApiServer(
        { stateDir, address: "127.0.0.1", port: 0, advertiseAddresses: ["127.0.0.1"] },
        { logger: createLogger({}, { level: "warn" }), clock: systemClock },
        AbortSignal.timeout(20_000),
      ),
    );
    ours = scope.use(new UndiciTransport(loadKubeconfig(api.adminKubeconfigPath)));
  });
  after(() => scope.disposeAsync());

  for (const exchange of [...EXCHANGES, ...CUSTOM_EXCHANGES, ...POD_EXCHANGES])
    test(exchange.name, async () => {
      const expected = await ask(theirs, exchange);
      assert.deepEqual(await ask(ours, exchange), expected);
    });
});
