/**
 * Builds metrics-server for tests from the Go module proxy, once, into the user's cache: what it asks nodes for, and how, is
 * its to say.
 */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { go } from "./go-toolchain.ts";

const VERSION = "v0.9.0";
const PROGRAM = "metrics-server";
const MODULE = "sigs.k8s.io/metrics-server/cmd/metrics-server";
const ASSETS_VARIABLE = "KEDGE_METRICS_SERVER_ASSETS";

/** @returns what a person should know: where it is, or why there is none; then such tests are skipped. */
export async function prepareMetricsServer(): Promise<string> {
  const given = process.env[ASSETS_VARIABLE];
  if (given !== undefined && existsSync(join(given, PROGRAM)))
    return `metrics-server for tests: ${given} (${ASSETS_VARIABLE})`;
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kedge", PROGRAM);
  const programs = join(cache, `bin-${VERSION}`);
  process.env[ASSETS_VARIABLE] = programs;
  if (existsSync(join(programs, PROGRAM))) return `metrics-server for tests: ${VERSION} in ${programs}`;
  const started = performance.now();
  try {
    await build(cache, programs);
  } catch (error) {
    return `metrics-server for tests: none, so its tests are skipped: ${(error as Error).message}`;
  }
  return `metrics-server for tests: built ${VERSION} in ${((performance.now() - started) / 1000).toFixed(0)} s`;
}

async function build(cache: string, programs: string): Promise<void> {
  const unfinished = join(cache, "part");
  await mkdir(unfinished, { recursive: true });
  await mkdir(programs, { recursive: true });
  const env = { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOBIN: unfinished };
  await go(["install", "-trimpath", "-ldflags", "-s -w", `${MODULE}@${VERSION}`], unfinished, env);
  await rename(join(unfinished, PROGRAM), join(programs, PROGRAM)); // a build cut short must not look like a program
  await rm(unfinished, { recursive: true, force: true });
}

if (import.meta.main) console.log(await prepareMetricsServer());
