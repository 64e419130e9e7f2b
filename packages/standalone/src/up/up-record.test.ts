import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { statePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";
import { nodeNameDefault, readRecord, type UpRecord, writeRecord } from "./up-record.ts";

const record: UpRecord = {
  options: {
    stateDir: "/x",
    nodeName: "n",
    sample: true,
    ports: { api: 1, cloudHub: 2, https: 3, mqtt: 4, status: 5, monitor: 6, tunnel: 7, stream: 8 },
  },
  foreignChains: ["CNI-HOSTPORT-DNAT"],
};

test("a record is read as it was written; there is none before; a damaged one says so", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-record-"));
  const paths = statePaths(dir);
  try {
    assert.equal(await readRecord(paths), undefined);
    await writeRecord(paths, record);
    assert.deepEqual(await readRecord(paths), record);
    writeFileSync(paths.record, "{");
    await assert.rejects(readRecord(paths), UserError);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a node's default name is one that Kubernetes takes", () => {
  assert.match(nodeNameDefault(), /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
});
