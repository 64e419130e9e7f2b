import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@kedge/runtime";
import { Compactor } from "./compactor.ts";
import { RevisionLog } from "./revision-log.ts";
import { steppingClock } from "./stepping-clock.test-data.ts";

const CASES = [
  { name: "forgets what is older than it must keep", config: { keepMs: 3000, revisionsMax: 1000 }, compacted: 20 },
  { name: "forgets earlier what is too much", config: { keepMs: 60_000, revisionsMax: 15 }, compacted: 35 },
  { name: "forgets nothing too early", config: { keepMs: 60_000, revisionsMax: 1000 }, compacted: 0 },
];
for (const { name, config, compacted } of CASES)
  test(name, async () => {
    using log = RevisionLog.open(":memory:");
    let written = 0;
    const tenWrites = async () => {
      for (let i = 0; i < 10; i += 1)
        await log.write((writer) =>
          writer.create(`core/configmaps/default/c${(written += 1)}`, {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: {},
          }),
        );
    };
    const clock = steppingClock(5, tenWrites); // ten writes a second, for five seconds
    await using _ = new Compactor(log, { ...config, intervalMs: 1000 }, { clock, logger: silentLogger });
    await clock.done;
    assert.equal(log.revision, 50);
    assert.equal(log.compactedRevision, compacted);
    assert.equal(log.count("core/configmaps/"), 50, "the present stays whole");
  });
