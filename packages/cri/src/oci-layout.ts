import { createHash } from "node:crypto";
import { type TarEntry, writeTar } from "./tar.ts";

export interface OciImage {
  /** Full reference: `kedge.local/pause:1`. */
  readonly name: string;
  readonly files: readonly TarEntry[];
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Go's names of CPU architectures, by Node's. */
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64", arm: "arm" };

/**
 * Images of one layer each, for this machine's architecture, as an OCI image layout in a tar: what
 * `ctr --namespace k8s.io images import` takes. So images exist where no registry does.
 */
export function writeOciLayout(images: readonly OciImage[]): Buffer {
  const blobs = new Map<string, Buffer>();
  const put = (mediaType: string, content: Buffer): Descriptor => {
    const hex = createHash("sha256").update(content).digest("hex");
    blobs.set(hex, content);
    return { mediaType, digest: `sha256:${hex}`, size: content.byteLength };
  };
  const manifests = images.map((image) => ({
    ...putImage(image, put),
    annotations: { "io.containerd.image.name": image.name },
  }));
  const json = (path: string, value: unknown) => ({ path, mode: 0o644, content: Buffer.from(JSON.stringify(value)) });
  return writeTar([
    json("oci-layout", { imageLayoutVersion: "1.0.0" }),
    json("index.json", { schemaVersion: 2, manifests }),
    ...[...blobs].map(([hex, content]) => ({ path: `blobs/sha256/${hex}`, mode: 0o644, content })),
  ]);
}

function putImage(image: OciImage, put: (mediaType: string, content: Buffer) => Descriptor): Descriptor {
  const layer = put("application/vnd.oci.image.layer.v1.tar", writeTar(image.files));
  const platform = { architecture: ARCHITECTURES[process.arch] ?? process.arch, os: "linux" };
  const config = {
    ...platform,
    config: {
      Entrypoint: image.entrypoint,
      Cmd: image.cmd,
      Env: image.env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      User: image.user,
      WorkingDir: image.workingDir,
    },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created_by: "kedge" }],
  };
  const configBlob = put("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(config)));
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: configBlob,
    layers: [layer],
  };
  return put(manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
}
