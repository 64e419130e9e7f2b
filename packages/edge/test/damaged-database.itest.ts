import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mqttUpload } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { GroupCommit } from "@kedge/sqlite";
import { Outbox } from "../src/edgehub/outbox.ts";
import { openEdgeDatabase } from "../src/metamanager/open-edge-database.ts";

const MESSAGES = 300;

test("of a damaged database, what waits for the cloud is saved, too, in its order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kedge-damaged-"));
  using scope = new DisposableStack();
  scope.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "edgecore.db");
  const open = () => {
    const db = openEdgeDatabase(path, silentLogger);
    const commits = new GroupCommit(db);
    const outbox = new Outbox(db, commits, silentLogger);
    return {
      outbox,
      [Symbol.dispose]() {
        commits[Symbol.dispose]();
        db.close();
      },
    };
  };
  {
    using bed = open();
    const messages = Array.from({ length: MESSAGES }, (_, n) => mqttUpload("t", `${n} ${"x".repeat(500)}`));
    await Promise.all(messages.map((message) => bed.outbox.add(message)));
  }
  const bytes = readFileSync(path);
  bytes.fill(0xa5, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 8192);
  writeFileSync(path, bytes);
  {
    using bed = open();
    assert.ok(bed.outbox.waiting > 50 && bed.outbox.waiting < MESSAGES, `${bed.outbox.waiting} saved`);
    const saved: number[] = [];
    for (let page = bed.outbox.after(0); page.length > 0; page = bed.outbox.after(page.at(-1)?.seq ?? 0))
      saved.push(...page.map(({ message }) => Number.parseInt(String(message.content), 10)));
    assert.equal(saved.length, bed.outbox.waiting);
    assert.deepEqual(
      saved,
      saved.toSorted((a, b) => a - b),
    );
  }
});
