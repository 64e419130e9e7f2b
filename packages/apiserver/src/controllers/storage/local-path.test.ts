import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { PersistentVolume, PersistentVolumeClaim } from "@kedge/kube";
import { localPathClass, provisionLocalPath, removeLocalPath } from "./local-path.ts";

const UID = "0a1b2c3d-0000-4000-8000-00000000000f";
const NAME = `pvc-${UID}`;

function config(): { readonly directory: string; readonly nodeName: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), "kedge-local-path-"));
  return { directory, nodeName: "here", [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

const claim = (uid: string): PersistentVolumeClaim => ({
  metadata: { name: "data", namespace: "shop", uid },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
});
const volume = (name: string, path: string): PersistentVolume => ({ metadata: { name }, spec: { local: { path } } });

test("a directory is made, and removed with what is in it; links in it are not followed", async () => {
  using own = config();
  using other = config();
  writeFileSync(join(other.directory, "precious"), "");
  const made = await provisionLocalPath(claim(UID), localPathClass(), "here", own);
  const path = join(own.directory, NAME);
  assert.deepEqual([made.metadata?.name, made.spec?.local?.path], [NAME, path]);
  symlinkSync(other.directory, join(path, "link"));
  await removeLocalPath(made, own);
  await removeLocalPath(made, own);
  assert.equal(existsSync(path), false);
  assert.ok(existsSync(join(other.directory, "precious")));
});

for (const { name, of } of [
  { name: "another path than ours", of: (dir: string) => volume(NAME, join(dir, "..")) },
  { name: "a name that leads elsewhere", of: (dir: string) => volume("pvc-../x", join(dir, "pvc-../x")) },
  { name: "a name that we did not give", of: (dir: string) => volume("mine", join(dir, "mine")) },
])
  test(`${name} is not removed`, async () => {
    using own = config();
    mkdirSync(join(own.directory, "mine"));
    await assert.rejects(removeLocalPath(of(own.directory), own), { code: "NotOurs" });
    assert.ok(existsSync(join(own.directory, "mine")));
  });

test("a link in the place of a volume is not followed", async () => {
  using own = config();
  using other = config();
  symlinkSync(other.directory, join(own.directory, NAME));
  await assert.rejects(removeLocalPath(volume(NAME, join(own.directory, NAME)), own), { code: "NotOurs" });
  assert.ok(existsSync(other.directory));
});

test("there is no volume on another node, nor for a claim whose uid is none", async () => {
  using own = config();
  await assert.rejects(provisionLocalPath(claim(UID), localPathClass(), "there", own), { code: "OtherNode" });
  await assert.rejects(provisionLocalPath(claim("../../etc"), localPathClass(), "here", own), { code: "NotOurs" });
});
