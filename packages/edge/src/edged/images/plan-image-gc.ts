/** An image of the runtime, and what we remember of it; times are monotonic. */
export interface KnownImage {
  readonly id: string;
  readonly bytes: number;
  readonly firstSeenAtMs: number;
  /** `undefined`: never, since the agent started. */
  readonly usedAtMs: number | undefined;
  /** A container has it, a pod of this node names it, or sandboxes are made from it. */
  readonly isNeeded: boolean;
}

/**
 * The images that may go, the one first that nobody has needed for longest.
 *
 * @param ageMinMs `imageMinimumGCAge`: one that has just been pulled is about to be used.
 */
export function removableImages(images: readonly KnownImage[], nowMs: number, ageMinMs: number): KnownImage[] {
  const never = Number.NEGATIVE_INFINITY;
  return images
    .filter(({ isNeeded, firstSeenAtMs }) => !isNeeded && nowMs - firstSeenAtMs >= ageMinMs)
    .toSorted((a, b) => compare(a.usedAtMs ?? never, b.usedAtMs ?? never) || a.firstSeenAtMs - b.firstSeenAtMs);
}

/** Those that nobody has needed for longer than `imageMaximumGCAge`. @param ageMaxMs 0: none is too old. */
export function expiredImages(images: readonly KnownImage[], nowMs: number, ageMaxMs: number): KnownImage[] {
  if (ageMaxMs <= 0) return [];
  return images.filter(
    ({ isNeeded, firstSeenAtMs, usedAtMs }) => !isNeeded && nowMs - (usedAtMs ?? firstSeenAtMs) > ageMaxMs,
  );
}

export interface ImageGcThresholds {
  /** `imageGCHighThresholdPercent`: from here on images go; 100: never. */
  readonly highPercent: number;
  /** `imageGCLowThresholdPercent`: until there. */
  readonly lowPercent: number;
}

/** How much to free of a file system; 0: nothing. */
export function bytesToFree(
  disk: { readonly available: number; readonly capacity: number },
  { highPercent, lowPercent }: ImageGcThresholds,
): { readonly usedPercent: number; readonly bytes: number } {
  const available = Math.min(disk.available, disk.capacity);
  const usedPercent = disk.capacity === 0 ? 0 : 100 - Math.floor((available * 100) / disk.capacity);
  if (highPercent >= 100 || usedPercent < highPercent) return { usedPercent, bytes: 0 };
  return { usedPercent, bytes: Math.max(0, Math.floor((disk.capacity * (100 - lowPercent)) / 100) - available) };
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
