import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generatedFiles } from "./generate.ts";
import { checkout } from "./host/agent.ts";

for (const [file, content] of generatedFiles())
  test(`${file} is what packages/keadm/src/generate.ts writes`, () =>
    assert.equal(readFileSync(join(checkout, file), "utf8"), content));
