import type { Socket } from "node:net";

const LENGTH_BYTES_MAX = 4;

/** Watches the length of each MQTT packet in a stream of bytes. @see MQTT 3.1.1 §2.2 */
export class PacketLimit {
  readonly #bytesMax: number;
  /** Of the packet's body, still to come. */
  #body = 0;
  /** Bytes of the fixed header read so far; 0: the next byte starts a packet. */
  #header = 0;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @returns false once a packet announces more than the limit, or a length that is none. */
  accepts(chunk: Uint8Array): boolean {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, chunk.length - offset);
        this.#body -= taken;
        offset += taken;
        continue;
      }
      const byte = chunk[offset] ?? 0;
      offset += 1;
      if (this.#header === 0) {
        this.#header = 1;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 128 ** (this.#header - 1);
      if (this.#length > this.#bytesMax) return false;
      if ((byte & 0x80) === 0) {
        this.#body = this.#length;
        this.#header = 0;
      } else {
        this.#header += 1;
        if (this.#header > LENGTH_BYTES_MAX) return false;
      }
    }
    return true;
  }
}

/** Cuts a connection whose packets are too large, before they are gathered in memory. */
export function limitPackets(socket: Socket, bytesMax: number): void {
  const limit = new PacketLimit(bytesMax);
  const push = socket.push.bind(socket);
  socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array && !limit.accepts(chunk)) {
      socket.destroy(new RangeError(`an MQTT packet is larger than ${bytesMax} bytes`));
      return false;
    }
    return push(chunk, encoding);
  };
}
