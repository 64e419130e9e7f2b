import type { Image, ImageService } from "@kedge/cri";
import type { ContainerImage } from "@kedge/kube";
import type { Clock } from "@kedge/runtime";

/** Names of one image in a node's status. */
const NAMES_MAX = 5;
/** Images come and go slowly, and the list of them may be long. */
const AGE_MAX_MS = 300_000;

/** The largest images of the node, for its status: the scheduler prefers a node that has what a pod needs. */
export class NodeImages {
  readonly #countMax: number;
  readonly #deps: { readonly images: Pick<ImageService, "listImages">; readonly clock: Clock };
  #listed: { readonly images: readonly ContainerImage[]; readonly atMs: number } | undefined;

  /** @param countMax `nodeStatusMaxImages`; -1: all, 0: none is told. */
  constructor(countMax: number, deps: { readonly images: Pick<ImageService, "listImages">; readonly clock: Clock }) {
    this.#countMax = countMax;
    this.#deps = deps;
  }

  /** At most some minutes old. @returns `undefined`: nothing is to be told, or nothing known. */
  async list(signal: AbortSignal): Promise<readonly ContainerImage[] | undefined> {
    if (this.#countMax === 0) return undefined;
    const { images, clock } = this.#deps;
    const nowMs = clock.monotonic();
    if (this.#listed !== undefined && nowMs - this.#listed.atMs < AGE_MAX_MS) return this.#listed.images;
    try {
      const listed = largestImages(await images.listImages(signal), this.#countMax);
      this.#listed = { images: listed, atMs: nowMs };
    } catch {
      // the runtime is away: the status says so itself
    }
    return this.#listed?.images;
  }
}

/** @param countMax -1: all. */
export function largestImages(images: readonly Image[], countMax: number): ContainerImage[] {
  return images
    .toSorted((a, b) => Number(b.size - a.size))
    .slice(0, countMax < 0 ? undefined : countMax)
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, NAMES_MAX),
      sizeBytes: Number(size),
    }));
}
