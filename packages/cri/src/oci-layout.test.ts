import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeOciLayout } from "./oci-layout.ts";
import { pauseBinary } from "./pause-binary.ts";
import { writeTar } from "./tar.ts";

function unpacked(archive: Buffer): Disposable & { readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), "kedge-tar-"));
  writeFileSync(join(root, "a.tar"), archive);
  execFileSync("tar", ["-xf", "a.tar"], { cwd: root });
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

test("tar reads what we write", () => {
  using files = unpacked(
    writeTar([
      { path: "d/" },
      { path: "d/f", mode: 0o640, content: Buffer.from("x".repeat(513)) },
      { path: "l", linkTo: "d/f" },
    ]),
  );
  assert.equal(readFileSync(join(files.root, "l"), "utf8").length, 513);
  assert.equal(statSync(join(files.root, "d/f")).mode & 0o777, 0o640);
});

test("a path too long is refused, not cut", () => {
  assert.throws(() => writeTar([{ path: "p".repeat(101) }]), RangeError);
});

test("an OCI layout names its images, and is always the same", () => {
  const image = { name: "kedge.local/x:1", files: [{ path: "f", content: Buffer.from("x") }], cmd: ["/f"] };
  const archive = writeOciLayout([image]);
  assert.ok(archive.equals(writeOciLayout([image])));
  using files = unpacked(archive);
  const read = (path: string) => JSON.parse(readFileSync(join(files.root, path), "utf8")) as unknown;
  const { manifests } = read("index.json") as { manifests: { digest: string; annotations: object }[] };
  assert.deepEqual(manifests[0]?.annotations, { "io.containerd.image.name": "kedge.local/x:1" });
  const manifest = read(`blobs/${manifests[0]?.digest.replace(":", "/")}`) as { config: { digest: string } };
  const config = read(`blobs/${manifest.config.digest.replace(":", "/")}`) as { config: { Cmd: string[] } };
  assert.deepEqual(config.config.Cmd, ["/f"]);
});

test("the pause program is a small ELF file for each architecture that we know", () => {
  for (const architecture of ["x64", "arm64"] as const) {
    const program = pauseBinary(architecture);
    assert.equal(program?.subarray(0, 4).toString("latin1"), "\x7fELF");
    assert.ok((program?.byteLength ?? 0) < 256);
  }
  assert.equal(pauseBinary("mips"), undefined);
});
