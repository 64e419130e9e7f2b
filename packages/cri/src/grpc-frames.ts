/** As a kubelet: lists of some hundred containers pass gRPC's usual 4 MiB. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const PREFIX_BYTES = 5;

/** One message as gRPC sends it: a flag for compression (never), the length, the message. */
export function writeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + message.byteLength);
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/**
 * Cuts a stream of bytes into messages.
 *
 * @throws RangeError when a message is compressed, or larger than {@link MESSAGE_BYTES_MAX}.
 */
export async function* readFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let wanted = PREFIX_BYTES;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.byteLength;
    while (bytes >= wanted) {
      const all = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, bytes);
      const frameBytes = PREFIX_BYTES + lengthOf(all);
      if (bytes >= frameBytes) {
        yield all.subarray(PREFIX_BYTES, frameBytes);
        parts = [all.subarray(frameBytes)];
        bytes -= frameBytes;
        wanted = PREFIX_BYTES;
      } else {
        parts = [all];
        wanted = frameBytes; // until then there is no use in joining parts
      }
    }
  }
}

function lengthOf(frame: Buffer): number {
  if (frame[0] !== 0) throw new RangeError("compressed message, which we never asked for");
  const length = frame.readUInt32BE(1);
  if (length > MESSAGE_BYTES_MAX) throw new RangeError(`message of ${length} bytes: more than ${MESSAGE_BYTES_MAX}`);
  return length;
}
