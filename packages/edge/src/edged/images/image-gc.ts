import { statfs } from "node:fs/promises";
import type { CriClient, Image } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EventRecorder } from "../events/event-recorder.ts";
import { parseImageName } from "./image-name.ts";
import {
  bytesToFree,
  expiredImages,
  type ImageGcThresholds,
  type KnownImage,
  removableImages,
} from "./plan-image-gc.ts";
import { looksLikePause, sandboxImage } from "./sandbox-image.ts";

export interface ImageGcConfig extends ImageGcThresholds {
  /** `imageMinimumGCAge` */
  readonly ageMinMs: number;
  /** `imageMaximumGCAge`; 0: none is too old. */
  readonly ageMaxMs: number;
  /** `podSandboxImage`: kept beside what the runtime says. */
  readonly sandboxImage: string;
}

export interface ImageGcDeps {
  readonly cri: CriClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventRecorder;
  /** All pods of the node: what they name they may need again, also while the registry is away. */
  readonly pods: () => readonly Pod[];
  /** Where the runtime keeps images; `undefined`: not known yet. */
  readonly directory: (signal: AbortSignal) => Promise<string | undefined>;
}

/** Removes images that nobody needs before they fill the disk. */
export class ImageGc {
  readonly #config: ImageGcConfig;
  readonly #deps: ImageGcDeps;
  readonly #seen = new Map<string, { readonly firstSeenAtMs: number; usedAtMs: number | undefined }>();
  readonly #startedAtMs: number;
  #sandboxImage: string | undefined;

  constructor(config: ImageGcConfig, deps: ImageGcDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#startedAtMs = deps.clock.monotonic();
  }

  /** Removes what is too old, and, if the disk is fuller than it should be, what was not needed for longest. */
  async collect(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let images = await this.#look(signal);
    const nowMs = clock.monotonic();
    // What was used before we started nobody knows.
    if (nowMs - this.#startedAtMs > this.#config.ageMaxMs) {
      const expired = expiredImages(images, nowMs, this.#config.ageMaxMs);
      await this.#remove(expired, Number.POSITIVE_INFINITY, "nobody needed it for too long", signal);
      images = images.filter((image) => !expired.includes(image));
    }
    const directory = await this.#deps.directory(signal);
    if (directory === undefined) return;
    const { bsize, blocks, bavail } = await statfs(directory);
    const disk = { available: bavail * bsize, capacity: blocks * bsize };
    const { usedPercent, bytes } = bytesToFree(disk, this.#config);
    if (bytes === 0) return;
    const freed = await this.#free(images, bytes, signal);
    if (freed >= bytes) return;
    this.#deps.events.ofNode(
      "Warning",
      "FreeDiskSpaceFailed",
      `Insufficient free disk space on the node's image filesystem (${usedPercent}% of ${readable(disk.capacity)} used). ` +
        `Failed to free sufficient space by deleting unused images (freed ${freed} bytes). ` +
        "Investigate disk usage, as it could be used by active images, logs, volumes, or other data.",
    );
  }

  /** The disk is full: removes every image that nobody needs. */
  async removeUnused(signal: AbortSignal): Promise<void> {
    await this.#free(await this.#look(signal), Number.POSITIVE_INFINITY, signal);
  }

  async #free(images: readonly KnownImage[], bytes: number, signal: AbortSignal): Promise<number> {
    const removable = removableImages(images, this.#deps.clock.monotonic(), this.#config.ageMinMs);
    return this.#remove(removable, bytes, "the disk is full", signal);
  }

  /** @returns the size of what was removed: of what several images share it says too much. */
  async #remove(images: readonly KnownImage[], bytes: number, why: string, signal: AbortSignal): Promise<number> {
    const { cri, logger } = this.#deps;
    let freed = 0;
    for (const image of images) {
      if (freed >= bytes) break;
      try {
        await cri.images.removeImage(image.id, signal);
        logger.info({ image: image.id, bytes: image.bytes, why }, "image removed");
        this.#seen.delete(image.id);
        freed += image.bytes;
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ image: image.id, error: toError(error) }, "image not removed");
      }
    }
    return freed;
  }

  async #look(signal: AbortSignal): Promise<KnownImage[]> {
    const { cri, clock, pods } = this.#deps;
    this.#sandboxImage ??= await sandboxImage(cri.runtime, signal);
    const [images, containers] = await Promise.all([
      cri.images.listImages(signal),
      cri.runtime.listContainers({}, signal),
    ]);
    const used = new Set(containers.flatMap(({ imageRef, imageId, image }) => [imageRef, imageId, image?.image ?? ""]));
    const named = new Set(pods().flatMap(imagesOf));
    const nowMs = clock.monotonic();
    const present = new Set(images.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    return images.map((image) => {
      const { id } = image;
      const names = namesOf(image);
      const isUsed = [id, ...names].some((name) => used.has(name)) || names.some((name) => named.has(fullName(name)));
      const record = this.#seen.get(id) ?? { firstSeenAtMs: nowMs, usedAtMs: undefined };
      if (isUsed) record.usedAtMs = nowMs;
      this.#seen.set(id, record);
      return { id, bytes: Number(image.size), ...record, isNeeded: isUsed || this.#isSandbox(image, names) };
    });
  }

  #isSandbox({ pinned, id }: Image, names: readonly string[]): boolean {
    if (pinned) return true;
    const kept = [this.#sandboxImage ?? "", this.#config.sandboxImage].filter((name) => name !== "");
    if (kept.some((name) => name === id || names.some((one) => fullName(one) === fullName(name)))) return true;
    return this.#sandboxImage === undefined && looksLikePause(names);
  }
}

function namesOf({ repoTags, repoDigests }: Image): string[] {
  return [...repoTags, ...repoDigests];
}

function imagesOf({ spec }: Pod): string[] {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  return containers.map(({ image = "" }) => fullName(image));
}

/** With registry, path and tag: `nginx` is `docker.io/library/nginx:latest`. */
function fullName(name: string): string {
  const parsed = parseImageName(name);
  if (parsed === undefined) return name;
  const { full, repository } = parsed;
  const at = full.indexOf("@");
  const colon = full.lastIndexOf(":");
  const reference = at !== -1 ? full.slice(at) : full.slice(colon);
  return `${repository}${reference}`;
}

function readable(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}
