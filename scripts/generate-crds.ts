/** Writes what is generated from @kedge/api's schemas: manifests/crds/ and the schemas of the configuration files. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { generatedFiles } from "../packages/api/src/generate.ts";

const root = path.join(import.meta.dirname, "..");
for (const [file, content] of generatedFiles()) {
  const target = path.join(root, file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, content);
  console.log(file);
}
