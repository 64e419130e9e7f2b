import { promisify } from "node:util";
import { constants, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync, type ZlibOptions } from "node:zlib";
import { FRAME_DEFLATED, MESSAGE_BYTES_MAX, ProtocolError } from "@kedge/protocol";

/** A message that is not longer travels as it is. */
export const PLAIN_BYTES_MAX = 1024;
/** Up to here it is done at once, in a third of a millisecond; what is larger goes to another thread. */
const INLINE_BYTES_MAX = 64 * 1024;
/** Inflated at once if it has no more; a few bytes may become many, so that is seen only when it is tried. */
const INLINE_INFLATED_BYTES_MAX = 256 * 1024;
/** Messages that other threads work on; Node has four of them for all its work. */
export const COMPRESSING_MAX = 2;
/** Messages that wait for that; one more travels as it is. */
const COMPRESSING_WAITING_MAX = 64;
/** Real messages become a tenth, few a fiftieth; what would become more than this is made to do harm. */
const INFLATION_RATIO_MAX = 100;
/** However small a message is, it may become this large. */
const INFLATED_BYTES_MIN = 1024 * 1024;

/** Quick, and with tables that malloc keeps at hand: each block is below 16 KB. 1 % larger than what twice the time gives. */
const INLINE_OPTIONS: ZlibOptions = { level: 1, windowBits: 12, memLevel: 5, chunkSize: 4096 };
const THREAD_OPTIONS: ZlibOptions = { level: constants.Z_DEFAULT_COMPRESSION, chunkSize: 256 * 1024 };
const deflateInThread = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw);
const inflateInThread = promisify<Buffer, ZlibOptions, Buffer>(inflateRaw);
const KIND = Buffer.of(FRAME_DEFLATED);

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
    if (text.length <= INLINE_BYTES_MAX) return smaller(text, deflateRawSync(text, INLINE_OPTIONS));
    if (this.#waiting.length >= COMPRESSING_WAITING_MAX) return undefined;
    return this.#inTurn(async () => smaller(text, await deflateInThread(text, THREAD_OPTIONS)));
  }

  /**
   * Reads a frame of the kind {@link FRAME_DEFLATED}.
   *
   * @throws {ProtocolError} `BadCompression`: it is damaged, or becomes more than any real message.
   */
  inflate(frame: Buffer): Buffer | Promise<Buffer> {
    const deflated = frame.subarray(KIND.length);
    const bytesMax = inflatedBytesMax(frame.length);
    if (frame.length > INLINE_BYTES_MAX) return this.#inflateInThread(deflated, bytesMax);
    const inlineMax = Math.min(bytesMax, INLINE_INFLATED_BYTES_MAX);
    try {
      return inflateRawSync(deflated, { maxOutputLength: inlineMax });
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_BUFFER_TOO_LARGE") throw badCompression(frame, error);
      return this.#inflateInThread(deflated, bytesMax);
    }
  }

  #inflateInThread(deflated: Buffer, maxOutputLength: number): Promise<Buffer> {
    const options = { maxOutputLength, chunkSize: INLINE_INFLATED_BYTES_MAX };
    return this.#inTurn(() =>
      inflateInThread(deflated, options).catch((error: unknown) => Promise.reject(badCompression(deflated, error))),
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

/** The peer reads no more than that of a frame. */
function inflatedBytesMax(frameLength: number): number {
  return Math.min(MESSAGE_BYTES_MAX, Math.max(INFLATED_BYTES_MIN, frameLength * INFLATION_RATIO_MAX));
}

function smaller(text: Buffer, deflated: Buffer): Buffer | undefined {
  const frame = Buffer.concat([KIND, deflated]);
  return frame.length < text.length && text.length <= inflatedBytesMax(frame.length) ? frame : undefined;
}

function badCompression({ length }: Buffer, cause: unknown): ProtocolError {
  return new ProtocolError(
    `the peer sent a compressed message of ${length} bytes that cannot be inflated`,
    { code: "BadCompression", bytes: length },
    { cause },
  );
}
