import { existsSync } from "node:fs";
import { join } from "node:path";

const SOURCES = {
  kedge: "packages/standalone/src/main.ts",
  cloudcore: "packages/cloud/src/cloudcore-main.ts",
  edgecore: "packages/edge/src/edgecore-main.ts",
  sensor: "packages/standalone/src/sample/sensor-main.ts",
} as const;

/** The MQTT client parses its URL with a function that Node advises against. */
const QUIET = "--disable-warning=DEP0169";

const root = join(import.meta.dirname, "../../..");

/** How to start one of the programs: its bundle, where there is one, else its sources. */
export function programCommand(name: keyof typeof SOURCES): string[] {
  const bundle = join(root, "dist", name, "main.mjs");
  const file = existsSync(bundle) ? bundle : join(root, SOURCES[name]);
  return [process.execPath, QUIET, file];
}
