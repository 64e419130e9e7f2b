import { busyboxImage, pauseImage, writeOciLayout } from "@kedge/cri";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../run-command.ts";
import type { StatePaths } from "../state-paths.ts";

export const SAMPLE_IMAGE = "kedge.local/busybox:1";
export const SANDBOX_IMAGE = "kedge.local/pause:1";

/** Builds the two images that everything here needs from Debian's busybox-static, and gives them to containerd. */
export async function importSampleImages(paths: StatePaths, signal: AbortSignal): Promise<void> {
  await mkdir(paths.images, { recursive: true });
  const known = await mustRun(
    ["ctr", "-a", paths.run.containerdSocket, "-n", "k8s.io", "images", "ls", "-q"],
    "listing images",
    signal,
  );
  if ([SAMPLE_IMAGE, SANDBOX_IMAGE].every((name) => known.split("\n").includes(name))) return;
  const tag = createHash("sha256")
    .update(await readFile("/bin/busybox"))
    .digest("hex")
    .slice(0, 12);
  const archive = join(paths.images, `sample-${tag}.tar`);
  if (!existsSync(archive)) {
    const unfinished = `${archive}.part`;
    await writeFile(unfinished, writeOciLayout([await busyboxImage(SAMPLE_IMAGE), await pauseImage(SANDBOX_IMAGE)]));
    await rename(unfinished, archive);
  }
  await mustRun(
    ["ctr", "-a", paths.run.containerdSocket, "-n", "k8s.io", "images", "import", archive],
    "importing the sample images",
    signal,
  );
  await rm(archive);
}
