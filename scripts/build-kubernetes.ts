/**
 * Builds programs of Kubernetes from the Go module proxy. They are published as source only; a module of our own requires
 * `k8s.io/kubernetes` and points its `k8s.io/*` parts, which that module replaces by folders, at their published twins.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { go } from "./go-toolchain.ts";

/** The release that tests run against. */
export const KUBERNETES_VERSION = "v1.36.3";

/**
 * @param programs names of folders in Kubernetes' `cmd/`.
 * @param source where our own module is written, kept for its go.sum.
 * @param target where the programs go.
 * @throws if there is no Go toolchain, no proxy, or a program does not build.
 */
export async function buildKubernetes(programs: readonly string[], source: string, target: string): Promise<void> {
  await mkdir(source, { recursive: true });
  await mkdir(target, { recursive: true });
  const module = `k8s.io/kubernetes@${KUBERNETES_VERSION}`;
  const download = JSON.parse(await go(["mod", "download", "-json", module], source)) as { GoMod: string };
  await writeFile(join(source, "go.mod"), ownModule(await readFile(download.GoMod, "utf8")));
  const imports = programs.map((program) => `\t_ "k8s.io/kubernetes/cmd/${program}"`).join("\n");
  await writeFile(join(source, "tools.go"), `//go:build tools\n\npackage tools\n\nimport (\n${imports}\n)\n`);
  await go(["mod", "tidy"], source);
  const [, minor = ""] = KUBERNETES_VERSION.split(".");
  const set = (name: string, value: string) => `-X k8s.io/component-base/version.${name}=${value}`;
  const flags = `-s -w ${set("gitVersion", KUBERNETES_VERSION)} ${set("gitMajor", "1")} ${set("gitMinor", minor)}`;
  for (const program of programs) {
    const unfinished = join(target, `${program}.part`);
    await go(["build", "-trimpath", "-ldflags", flags, "-o", unfinished, `k8s.io/kubernetes/cmd/${program}`], source);
    await rename(unfinished, join(target, program)); // a build cut short must not look like a program
  }
}

/** @param upstream Kubernetes' go.mod. */
function ownModule(upstream: string): string {
  const parts = [...upstream.matchAll(/^\s*(k8s\.io\/[a-z0-9-]+) => \.\/staging/gm)].map((match) => match[1] ?? "");
  const goVersion = /^go (\S+)/m.exec(upstream)?.[1] ?? "1.26";
  const partVersion = KUBERNETES_VERSION.replace("v1.", "v0.");
  return [
    "module kedge.test/kubernetes",
    `go ${goVersion}`,
    `require k8s.io/kubernetes ${KUBERNETES_VERSION}`,
    "replace (",
    ...parts.map((part) => `\t${part} => ${part} ${partVersion}`),
    ")",
    "",
  ].join("\n");
}
