import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unmountBelow } from "./unmount-below.ts";

const skip = process.getuid?.() === 0 ? false : "needs root to mount";
const signal = AbortSignal.timeout(60_000);

test(
  "what a pod mounted of the host survives a purge, also where the state directory is reached by a link",
  { skip },
  async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "unmount-")));
    const [host, real, link] = [join(folder, "host"), join(folder, "real"), join(folder, "link")];
    const target = join(real, "state", "sub path");
    try {
      await mkdir(host);
      await writeFile(join(host, "precious"), "x");
      await mkdir(target, { recursive: true });
      await symlink(real, link);
      for (let times = 0; times < 2; times += 1) execFileSync("mount", ["--bind", host, target]);

      await unmountBelow([join(link, "state"), join(folder, "absent")], signal);
      await rm(join(link, "state"), { recursive: true, force: true });
      assert.ok(existsSync(join(host, "precious")));
      assert.ok(!existsSync(target));
    } finally {
      while (existsSync(join(target, "precious"))) execFileSync("umount", ["--lazy", target]);
      await rm(folder, { recursive: true, force: true });
    }
  },
);

test("nothing is mounted there: nothing happens", async () => {
  const folder = await mkdtemp(join(tmpdir(), "unmount-"));
  await unmountBelow([folder], signal);
  await rm(folder, { recursive: true });
});
