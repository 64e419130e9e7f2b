import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { runKeadm } from "./run-keadm.ts";

const run = promisify(execFile);
const skip = process.getuid?.() === 0 ? false : "needs root";

test(
  "reset edge takes mounts away first, and never what they show; a disk of its own stays, empty",
  { skip },
  async () => {
    await using scope = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), "kedge-reset-"));
    scope.defer(() => rmSync(dir, { recursive: true }));
    const mount = async (args: string[], point: string) => {
      mkdirSync(point, { recursive: true });
      await run("mount", [...args, point]);
      scope.defer(async () => void (await run("umount", ["--lazy", point]).catch(() => undefined)));
    };
    const host = join(dir, "host");
    const kubelet = join(host, "var/lib/kubelet");
    const precious = join(dir, "precious");
    mkdirSync(precious);
    writeFileSync(join(precious, "file"), "of the host");
    await mount(["-t", "tmpfs", "tmpfs"], kubelet);
    await mount(["--bind", precious], join(kubelet, "pods/1/volume-subpaths/data"));
    mkdirSync(join(host, "etc/kubeedge/config"), { recursive: true });
    writeFileSync(join(host, "etc/kubeedge/config/edgecore.yaml"), "{ this is no configuration");

    const { error, told } = await runKeadm("reset", "edge", "--force", "--root-dir", host);
    assert.equal(error, undefined);
    assert.match(told, /cannot be read, so pods stay/);
    assert.equal(readFileSync(join(precious, "file"), "utf8"), "of the host");
    assert.deepEqual(readdirSync(kubelet), []);
    assert.ok(!existsSync(join(host, "etc")));
  },
);
