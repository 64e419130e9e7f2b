/**
 * Builds a real Kubernetes control plane for tests from the Go module proxy, once, into the user's cache.
 * kube-apiserver and friends are published as source only; a module of our own requires `k8s.io/kubernetes` and points
 * its `k8s.io/*` parts, which that module replaces by folders, at their published twins.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { go } from "./go-toolchain.ts";

const VERSION = "v1.36.3";
const PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"] as const;

function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kedge", "kubernetes");
}

function isComplete(folder: string): boolean {
  return PROGRAMS.every((program) => existsSync(join(folder, program)));
}

/** @returns what a person should know: where the programs are, or why there are none; then such tests are skipped. */
export async function prepareKubernetes(): Promise<string> {
  const given = process.env["KUBEBUILDER_ASSETS"];
  if (given !== undefined && isComplete(given)) return `Kubernetes for tests: ${given} (KUBEBUILDER_ASSETS)`;
  const programs = join(cacheFolder(), `bin-${VERSION}`);
  process.env["KUBEBUILDER_ASSETS"] = programs;
  if (isComplete(programs)) return `Kubernetes for tests: ${VERSION} in ${programs}`;
  const started = performance.now();
  try {
    await build(join(cacheFolder(), "src"), programs);
  } catch (error) {
    return `Kubernetes for tests: none, so tests against a real one are skipped: ${(error as Error).message}`;
  }
  return `Kubernetes for tests: built ${VERSION} in ${((performance.now() - started) / 1000).toFixed(0)} s`;
}

async function build(source: string, programs: string): Promise<void> {
  await mkdir(source, { recursive: true });
  await mkdir(programs, { recursive: true });
  const download = JSON.parse(await go(["mod", "download", "-json", `k8s.io/kubernetes@${VERSION}`], source)) as {
    GoMod: string;
  };
  const upstream = await readFile(download.GoMod, "utf8");
  const parts = [...upstream.matchAll(/^\s*(k8s\.io\/[a-z0-9-]+) => \.\/staging/gm)].map((match) => match[1] ?? "");
  const goVersion = /^go (\S+)/m.exec(upstream)?.[1] ?? "1.26";
  const partVersion = VERSION.replace("v1.", "v0.");
  await writeFile(
    join(source, "go.mod"),
    [
      "module kedge.test/kubernetes",
      `go ${goVersion}`,
      `require k8s.io/kubernetes ${VERSION}`,
      "replace (",
      ...parts.map((part) => `\t${part} => ${part} ${partVersion}`),
      ")",
      "",
    ].join("\n"),
  );
  const imports = PROGRAMS.map((program) => `\t_ "k8s.io/kubernetes/cmd/${program}"`).join("\n");
  await writeFile(join(source, "tools.go"), `//go:build tools\n\npackage tools\n\nimport (\n${imports}\n)\n`);
  await go(["mod", "tidy"], source);
  const [, minor = ""] = VERSION.split(".");
  const set = (name: string, value: string) => `-X k8s.io/component-base/version.${name}=${value}`;
  const flags = `-s -w ${set("gitVersion", VERSION)} ${set("gitMajor", "1")} ${set("gitMinor", minor)}`;
  for (const program of PROGRAMS) {
    const unfinished = join(programs, `${program}.part`);
    await go(["build", "-trimpath", "-ldflags", flags, "-o", unfinished, `k8s.io/kubernetes/cmd/${program}`], source);
    await rename(unfinished, join(programs, program)); // a build cut short must not look like a program
  }
}
