/**
 * What is generated from this package's schemas, by path from the repository's root. Build time only: the package's
 * index does not export it, so no program loads TypeBox.
 */
import { CloudCoreSchema } from "./config/cloudcore-config.ts";
import { EdgeCoreSchema } from "./config/edgecore-config.ts";
import { renderSchemaModule } from "./config/plain-schema.ts";

export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    [
      "packages/api/src/generated/cloudcore-schema.ts",
      renderSchemaModule("CLOUD_CORE_SCHEMA", "CloudCoreConfig", "cloudcore-config.ts", CloudCoreSchema),
    ],
    [
      "packages/api/src/generated/edgecore-schema.ts",
      renderSchemaModule("EDGE_CORE_SCHEMA", "EdgeCoreConfig", "edgecore-config.ts", EdgeCoreSchema),
    ],
  ]);
}
