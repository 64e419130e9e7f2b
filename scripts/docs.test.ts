import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
}).split("\n");
const documents = globSync(["*.md", "docs/**/*.md", "packages/**/README.md"], {
  cwd: root,
  exclude: (path) => path.includes("node_modules"),
});

test("every source file that docs/ARCHITECTURE.md names exists", () => {
  const text = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
  const named = [...text.matchAll(/(?<![\w-])[\w-]+(?:\/[\w.-]+)+\.ts\b/g)].map(([path]) => path);
  const missing = named.filter(
    (path) => !tracked.some((file) => file.replace("/src/", "/").endsWith(path.replace("/src/", "/"))),
  );
  assert.ok(named.length > 20);
  assert.deepEqual(missing, []);
});

for (const document of documents)
  test(`links of ${document} lead somewhere`, () => {
    const text = readFileSync(join(root, document), "utf8");
    const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
    const dead = links.filter((link) => !/^https?:/.test(link) && !existsSync(join(root, dirname(document), link)));
    assert.deepEqual(dead, []);
  });
