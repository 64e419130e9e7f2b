const BLOCK_BYTES = 512;
const NAME_BYTES_MAX = 100;

export interface TarEntry {
  /** Relative, without a leading slash; a directory ends in `/`. At most 100 bytes. */
  readonly path: string;
  /** Permission bits. Default 0755. */
  readonly mode?: number | undefined;
  readonly content?: Uint8Array | undefined;
  /** Makes it a symbolic link to this. */
  readonly linkTo?: string | undefined;
}

/** A ustar archive, always the same for the same entries: owned by root, dated 1970. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const content = entry.content ?? new Uint8Array();
    parts.push(header(entry, content.byteLength), Buffer.from(content));
    parts.push(Buffer.alloc((BLOCK_BYTES - (content.byteLength % BLOCK_BYTES)) % BLOCK_BYTES));
  }
  parts.push(Buffer.alloc(2 * BLOCK_BYTES));
  return Buffer.concat(parts);
}

function header({ path, mode = 0o755, linkTo }: TarEntry, sizeBytes: number): Buffer {
  if (Buffer.byteLength(path) > NAME_BYTES_MAX) throw new RangeError(`path too long for ustar: ${path}`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8); // uid
  octal(0, 116, 8); // gid
  octal(sizeBytes, 124, 12);
  octal(0, 136, 12); // mtime
  block.write("        ", 148, "latin1"); // the checksum counts its own field as spaces
  block.write(linkTo !== undefined ? "2" : path.endsWith("/") ? "5" : "0", 156, "latin1");
  block.write(linkTo ?? "", 157);
  block.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
