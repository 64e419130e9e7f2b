import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/**
 * Writes what `from` gives to `to`, at the pace of who reads there, and does not end it.
 *
 * @param onTaken is told of each piece once it is written.
 * @throws what ends `from`, if that is an error; the signal's reason if the reader is gone.
 */
export async function writeThrough(
  from: Readable,
  to: Writable,
  signal: AbortSignal,
  onTaken: (bytes: number) => void = () => undefined,
): Promise<void> {
  for await (const piece of from as AsyncIterable<Buffer>) {
    const hasRoom = to.write(piece);
    onTaken(piece.length);
    if (!hasRoom) await once(to, "drain", { signal });
    signal.throwIfAborted();
  }
}
