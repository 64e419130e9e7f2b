/**
 * Builds stock KubeEdge for tests from the Go module proxy, once, into the user's cache. A module of our own requires
 * KubeEdge and repeats the `replace` directives of its go.mod (KubeEdge is built on its own fork of Kubernetes); the two
 * parts that it replaces by folders of its repository are taken from their published twins.
 */
import { existsSync } from "node:fs";
import { copyFile, glob, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { go } from "./go-toolchain.ts";

const VERSION = "v1.23.1";
const MODULE = "github.com/kubeedge/kubeedge";
const PROGRAMS = { edgecore: "edge/cmd/edgecore", cloudcore: "cloud/cmd/cloudcore" } as const;
/** `api` and `beehive` have no v1.23.1 of their own: nothing in them changed after this. */
const STAGING_VERSION = "v1.23.0";
const ASSETS_VARIABLE = "KEDGE_KUBEEDGE_ASSETS";
/** Its CustomResourceDefinitions, beside the programs. */
const CRDS = "crds";
/** SQLite and its driver are C; stock KubeEdge is built like that, too. */
const BUILD_ENV = { CGO_ENABLED: "1", GOFLAGS: "-mod=mod -buildvcs=false" };

function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kedge", "kubeedge");
}

function isComplete(folder: string): boolean {
  return [...Object.keys(PROGRAMS), CRDS].every((name) => existsSync(join(folder, name)));
}

/** @returns what a person should know: where the programs are, or why there are none; then such tests are skipped. */
export async function prepareKubeEdge(): Promise<string> {
  const given = process.env[ASSETS_VARIABLE];
  if (given !== undefined && isComplete(given)) return `stock KubeEdge for tests: ${given} (${ASSETS_VARIABLE})`;
  const programs = join(cacheFolder(), `bin-${VERSION}`);
  process.env[ASSETS_VARIABLE] = programs;
  if (isComplete(programs)) return `stock KubeEdge for tests: ${VERSION} in ${programs}`;
  const started = performance.now();
  try {
    await build(join(cacheFolder(), "src"), programs);
  } catch (error) {
    return `stock KubeEdge for tests: none, so interop tests are skipped: ${(error as Error).message}`;
  }
  return `stock KubeEdge for tests: built ${VERSION} in ${((performance.now() - started) / 1000).toFixed(0)} s`;
}

async function build(source: string, programs: string): Promise<void> {
  await mkdir(source, { recursive: true });
  await mkdir(programs, { recursive: true });
  const download = JSON.parse(await go(["mod", "download", "-json", `${MODULE}@${VERSION}`], source)) as {
    GoMod: string;
    Dir: string;
  };
  const upstream = await readFile(download.GoMod, "utf8");
  await writeFile(join(source, "go.mod"), ownModule(upstream));
  await copyFile(join(download.Dir, "go.sum"), join(source, "go.sum"));
  const imports = Object.values(PROGRAMS).map((folder) => `\t_ "${MODULE}/${folder}"`);
  await writeFile(
    join(source, "tools.go"),
    `//go:build tools\n\npackage tools\n\nimport (\n${imports.join("\n")}\n)\n`,
  );
  const flags = `-s -w -X ${MODULE}/pkg/version.gitVersion=${VERSION}`;
  await mkdir(join(programs, CRDS), { recursive: true });
  for await (const file of glob("**/*.yaml", { cwd: join(download.Dir, "build/crds") }))
    await writeFile(join(programs, CRDS, basename(file)), await readFile(join(download.Dir, "build/crds", file)));
  for (const [program, folder] of Object.entries(PROGRAMS)) {
    const unfinished = join(programs, `${program}.part`);
    await go(["build", "-trimpath", "-ldflags", flags, "-o", unfinished, `${MODULE}/${folder}`], source, BUILD_ENV);
    await rename(unfinished, join(programs, program)); // a build cut short must not look like a program
  }
}

/** @param upstream KubeEdge's go.mod. Its Go version decides language and run-time defaults, so it is ours, too. */
function ownModule(upstream: string): string {
  const goVersion = /^go (\S+)/m.exec(upstream)?.[1] ?? "1.23";
  const replacements = /^replace \(\n([^)]*)^\)/m.exec(upstream)?.[1] ?? "";
  const published = replacements.replaceAll(/(\S+) => \.\/staging\/\S+/g, `$1 => $1 ${STAGING_VERSION}`);
  return [
    "module kedge.test/kubeedge",
    `go ${goVersion}`,
    `require ${MODULE} ${VERSION}`,
    `replace (\n${published})`,
    "",
  ].join("\n");
}

if (import.meta.main) console.log(await prepareKubeEdge());
