import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { TestKubernetes } from "@kedge/testing";

test(
  "starts a real API server and leaves nothing behind",
  { skip: TestKubernetes.missing(), timeout: 120_000 },
  async () => {
    let dir: string;
    {
      await using kubernetes = await TestKubernetes.start();
      dir = kubernetes.dir;
      assert.match(await kubernetes.kubectl("version"), /Server Version: v1\.36/);
      await using kube = kubernetes.connect();
      const version = await kube.raw("GET", "/version", AbortSignal.timeout(5_000));
      assert.equal(version.status, 200);
    }
    assert.equal(existsSync(dir), false);
  },
);
