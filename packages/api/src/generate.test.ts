import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { generatedFiles } from "./generate.ts";

const root = path.join(import.meta.dirname, "../../..");
for (const [file, content] of generatedFiles())
  test(`${file} is current (else run: node scripts/generate-crds.ts)`, async () => {
    assert.equal(await readFile(path.join(root, file), "utf8"), content);
  });
