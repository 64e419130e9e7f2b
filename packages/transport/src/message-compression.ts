import { promisify } from "node:util";
import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  type BrotliOptions,
  constants,
} from "node:zlib";
import { FRAME_COMPRESSED, MESSAGE_BYTES_MAX, ProtocolError } from "@kedge/protocol";

/** A message that is not longer travels as it is. */
export const PLAIN_BYTES_MAX = 1024;
/** Up to here it is done at once, in a third of a millisecond; what is larger goes to another thread. */
const INLINE_BYTES_MAX = 64 * 1024;
/** Inflated at once if it has no more; a few bytes may become many, so that is seen only when it is tried. */
const INLINE_INFLATED_BYTES_MAX = 256 * 1024;
/** Most messages fit into one; each is made for one message. */
const INFLATED_CHUNK_BYTES = 4096;
/** Messages that other threads work on; Node has four of them for all its work. */
export const COMPRESSING_MAX = 2;
/** Messages that wait for that; one more travels as it is. */
const COMPRESSING_WAITING_MAX = 64;
/** Real messages become a tenth, few a fiftieth; what would become more than this is made to do harm. */
const INFLATION_RATIO_MAX = 100;
/** However small a message is, it may become this large. */
const INFLATED_BYTES_MIN = 1024 * 1024;

/**
 * Quick, and with tables that malloc keeps at hand: a new window of 4 KB for each message instead of deflate's 64 KB, which the
 * kernel had to map and clear each time. A third of deflate's time; 10 % larger.
 */
const INLINE_OPTIONS: BrotliOptions = { params: parameters(1, 12), chunkSize: 4096 };
const THREAD_OPTIONS: BrotliOptions = { params: parameters(4, 18), chunkSize: 256 * 1024 };
const compressInThread = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);
const inflateInThread = promisify<Buffer, BrotliOptions, Buffer>(brotliDecompress);
const KIND = Buffer.of(FRAME_COMPRESSED);

/** Compresses and inflates the messages of all links of one end. A link that says nothing keeps nothing here. */
export class MessageCompression {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Messages that are with other threads now. */
  get running(): number {
    return this.#running;
  }

  /** @returns the frame to send instead of `text`; undefined if that would not be smaller, or too many wait already. */
  compress(text: Buffer): Buffer | undefined | Promise<Buffer | undefined> {
    if (text.length <= PLAIN_BYTES_MAX) return undefined;
    if (text.length <= INLINE_BYTES_MAX) return smaller(text, brotliCompressSync(text, INLINE_OPTIONS));
    if (this.#waiting.length >= COMPRESSING_WAITING_MAX) return undefined;
    return this.#inTurn(async () => smaller(text, await compressInThread(text, THREAD_OPTIONS)));
  }

  /**
   * Reads a frame of the kind {@link FRAME_COMPRESSED}.
   *
   * @throws {ProtocolError} `BadCompression`: it is damaged, or becomes more than any real message.
   */
  inflate(frame: Buffer): Buffer | Promise<Buffer> {
    const packed = frame.subarray(KIND.length);
    const bytesMax = inflatedBytesMax(frame.length);
    if (frame.length > INLINE_BYTES_MAX) return this.#inflateInThread(packed, bytesMax);
    const inlineMax = Math.min(bytesMax, INLINE_INFLATED_BYTES_MAX);
    try {
      return brotliDecompressSync(packed, { maxOutputLength: inlineMax, chunkSize: INFLATED_CHUNK_BYTES });
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_BUFFER_TOO_LARGE") throw badCompression(frame, error);
      return this.#inflateInThread(packed, bytesMax);
    }
  }

  #inflateInThread(packed: Buffer, maxOutputLength: number): Promise<Buffer> {
    const options = { maxOutputLength, chunkSize: INLINE_INFLATED_BYTES_MAX };
    return this.#inTurn(() =>
      inflateInThread(packed, options).catch((error: unknown) => Promise.reject(badCompression(packed, error))),
    );
  }

  /** A link has one message at a time to inflate, so what waits is bounded by the links. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < COMPRESSING_MAX) this.#running += 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve)); // the one before hands its place over
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function parameters(quality: number, windowBits: number) {
  return { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: windowBits };
}

/** The peer reads no more than that of a frame. */
function inflatedBytesMax(frameLength: number): number {
  return Math.min(MESSAGE_BYTES_MAX, Math.max(INFLATED_BYTES_MIN, frameLength * INFLATION_RATIO_MAX));
}

function smaller(text: Buffer, packed: Buffer): Buffer | undefined {
  const frame = Buffer.concat([KIND, packed]);
  return frame.length < text.length && text.length <= inflatedBytesMax(frame.length) ? frame : undefined;
}

function badCompression({ length }: Buffer, cause: unknown): ProtocolError {
  return new ProtocolError(
    `the peer sent a compressed message of ${length} bytes that cannot be inflated`,
    { code: "BadCompression", bytes: length },
    { cause },
  );
}
