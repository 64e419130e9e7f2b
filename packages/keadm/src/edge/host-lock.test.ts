import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { identify } from "../host/process-identity.ts";
import { withHostLock } from "./host-lock.ts";

async function withFile(work: (file: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "kedge-lock-"));
  try {
    await work(join(dir, "idempotency_record"));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("one works at a time, and the other learns which", () =>
  withFile(async (file) => {
    await withHostLock(file, "backup edge", async () => {
      await assert.rejects(
        withHostLock(file, "upgrade edge", () => Promise.resolve()),
        new RegExp(`keadm backup edge is at work on this host \\(process ${process.pid}\\): wait for it`),
      );
    });
    assert.ok(!existsSync(file));
  }));

for (const [who, content] of [
  ["a keadm that was killed", JSON.stringify({ ...identify(process.pid), startTicks: "1", command: "upgrade edge" })],
  ["KubeEdge's keadm", ""],
])
  test(`FIX: what ${who} left does not keep others out for ever`, () =>
    withFile(async (file) => {
      writeFileSync(file, content ?? "");
      assert.equal(await withHostLock(file, "backup edge", () => Promise.resolve("done")), "done");
    }));

test("work that fails leaves no lock", () =>
  withFile(async (file) => {
    await assert.rejects(
      withHostLock(file, "backup edge", () => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.ok(!existsSync(file));
  }));
