import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { findKubernetesBinaries } from "@kedge/testing";

const DOWNLOAD_TIMEOUT_MS = 60_000;
/** Kept between runs. */
const OLD_KUBECTL = join(homedir(), ".cache/kedge/kubectl-debian/kubectl");

/** A kubectl to test with, or why there is none. */
export type Kubectl = { readonly path: string } | { readonly missing: string };

/** Of the Kubernetes release that we say we are. */
export function currentKubectl(): Kubectl {
  const binaries = findKubernetesBinaries();
  return typeof binaries === "string" ? { missing: binaries } : { path: binaries.kubectl };
}

/** Debian's, which is years older (1.20): from the cache, or downloaded with apt. */
export function debianKubectl(): Kubectl {
  if (executable(OLD_KUBECTL)) return { path: OLD_KUBECTL };
  const folder = mkdtempSync(join(tmpdir(), "kedge-kubectl-"));
  try {
    const options = { cwd: folder, stdio: "ignore", timeout: DOWNLOAD_TIMEOUT_MS } as const;
    execFileSync("apt-get", ["download", "kubernetes-client"], options);
    const archive = readdirSync(folder).find((name) => name.endsWith(".deb")) ?? "";
    execFileSync("dpkg", ["-x", archive, "."], options);
    mkdirSync(join(OLD_KUBECTL, ".."), { recursive: true });
    execFileSync("cp", ["usr/bin/kubectl", `${OLD_KUBECTL}.${process.pid}`], options);
    renameSync(`${OLD_KUBECTL}.${process.pid}`, OLD_KUBECTL);
    return { path: OLD_KUBECTL };
  } catch (error) {
    return { missing: `Debian's kubectl cannot be downloaded: ${(error as Error).message}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
