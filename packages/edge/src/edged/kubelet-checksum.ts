const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * What a kubelet writes beside a checkpoint to know it again: FNV-1a, 32 bits, over Go's text of the value.
 *
 * @see Kubernetes `pkg/util/hash`, and `test/vectors/kubelet-checkpoints.json`.
 */
export function kubeletChecksum(text: string): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}

/** `[a b]`, as Go's dump writes a list of texts; a list that is not there is told from an empty one. */
export function goList(list: readonly (string | number)[] | null | undefined): string {
  return list === null || list === undefined ? "<nil>" : `[${list.join(" ")}]`;
}

/** `map[a:x b:y]`, in the order of the keys. */
export function goMap<T>(entries: Iterable<readonly [string | number, T]>, write: (value: T) => string): string {
  const sorted = [...entries].sort(([a], [b]) => compareKeys(a, b));
  return `map[${sorted.map(([key, value]) => `${key}:${write(value)}`).join(" ")}]`;
}

function compareKeys(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
