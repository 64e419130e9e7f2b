import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { type OciImage, writeTar } from "@kedge/cri";

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

interface Blob {
  readonly type: string;
  readonly content: Buffer;
}

export interface TestRegistryOptions {
  /** `user:password`; absent: everybody may pull. */
  readonly credentials?: string;
}

/** An image registry on loopback, which container runtimes speak plain HTTP to. Images are pulled by tag. */
export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:port`, the first part of its images' names. */
  readonly host: string;
  /** Requests that it refused for want of the right credentials. */
  refused = 0;
  /** Manifests that were asked for by their tag. */
  pulls = 0;
  readonly #server: Server;
  readonly #blobs = new Map<string, Blob>();

  private constructor(server: Server) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start({ credentials }: TestRegistryOptions = {}): Promise<TestRegistry> {
    const server = createServer((request, response) => registry.#answer(request, response, credentials));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const registry = new TestRegistry(server);
    return registry;
  }

  /** @param path such as `team/app:1`. @returns the image's full name. */
  push(path: string, image: Omit<OciImage, "name">): string {
    const layer = writeTar(image.files);
    const config = this.#put("application/vnd.oci.image.config.v1+json", {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: image.cmd, Entrypoint: image.entrypoint, Env: image.env ?? ["PATH=/bin"], User: image.user },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const layers = [this.#put("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layer))];
    const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers };
    const [name = "", tag = "latest"] = path.split(":");
    this.#blobs.set(`${name}:${tag}`, { type: MANIFEST_TYPE, content: Buffer.from(JSON.stringify(manifest)) });
    this.#put(MANIFEST_TYPE, manifest);
    return `${this.host}/${name}:${tag}`;
  }

  #put(type: string, value: object): { mediaType: string; digest: string; size: number } {
    const content = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const digest = digestOf(content);
    this.#blobs.set(digest, { type, content });
    return { mediaType: type, digest, size: content.byteLength };
  }

  #answer(request: IncomingMessage, response: ServerResponse, credentials: string | undefined): void {
    const expected = `Basic ${Buffer.from(credentials ?? "").toString("base64")}`;
    if (credentials !== undefined && request.headers.authorization !== expected) {
      this.refused += 1;
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return;
    }
    const [, name, reference = ""] = /^\/v2\/(.+)\/(?:manifests|blobs)\/([^/?]+)/.exec(request.url ?? "") ?? [];
    const isDigest = reference.startsWith("sha256:");
    const blob = this.#blobs.get(isDigest ? reference : `${name}:${reference}`);
    if (blob === undefined) {
      response.writeHead(request.url === "/v2/" ? 200 : 404).end();
      return;
    }
    if (!isDigest) this.pulls += 1;
    response.writeHead(200, {
      "content-type": blob.type,
      "content-length": blob.content.byteLength,
      "docker-content-digest": digestOf(blob.content),
    });
    response.end(request.method === "HEAD" ? undefined : blob.content);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
