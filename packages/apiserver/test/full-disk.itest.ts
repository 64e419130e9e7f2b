import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ConfigMap, CONFIG_MAPS, KubeApiError } from "@kedge/kube";
import { TransportKubeClient } from "@kedge/kube-client";
import { silentLogger, systemClock } from "@kedge/runtime";
import { startApiServer } from "../src/apiserver.ts";

const DISK_MIB = 8;
const BALLAST_BYTES = 2 * 1024 * 1024;

/** A small disk of its own; undefined: we may not mount. */
function smallDisk(): (Disposable & { readonly path: string }) | undefined {
  const path = mkdtempSync(join(tmpdir(), "kedge-full-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", path], { stdio: "ignore" });
  } catch {
    rmSync(path, { recursive: true });
    return undefined;
  }
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync("umount", ["-l", path]);
      rmSync(path, { recursive: true });
    },
  };
}

test(
  "a full disk: writes say so, reads go on, nothing acknowledged is lost, and room heals",
  { timeout: 60_000 },
  async (t) => {
    using disk = smallDisk();
    if (disk === undefined) return t.skip("mounting a small disk needs root");
    const signal = AbortSignal.timeout(50_000);
    const ballast = join(disk.path, "ballast");
    writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES));
    await using api = await startApiServer(
      { stateDir: join(disk.path, "state"), address: "127.0.0.1", port: 0, advertiseAddresses: ["127.0.0.1"] },
      { logger: silentLogger, clock: systemClock },
      signal,
    );
    await using kube = new TransportKubeClient(api.transport);
    const data = { filler: "x".repeat(100_000) };
    const write = (i: number) =>
      kube.create(CONFIG_MAPS, { metadata: { namespace: "default", name: `c${i}` }, data }, signal);
    let stored = 0;
    const refusal = await (async (): Promise<unknown> => {
      try {
        for (; ; stored += 1) await write(stored);
      } catch (error) {
        return error;
      }
    })();
    assert.ok(refusal instanceof KubeApiError && refusal.details.httpStatus === 503, String(refusal));
    assert.match(refusal.message, /disk .* is full/);
    const { items } = await kube.list<ConfigMap>(CONFIG_MAPS, { namespace: "default" }, signal);
    assert.equal(items.length, stored);
    unlinkSync(ballast);
    await write(stored);
    assert.equal(
      (await kube.get(CONFIG_MAPS, { namespace: "default", name: `c${stored}` }, signal)).data?.["filler"]?.length,
      100_000,
    );
  },
);
