/** Machine code of: ignore SIGCHLD, so that the kernel reaps adopted children; then wait for signals, for ever. */
interface Program {
  /** `e_machine` of the ELF header. */
  readonly machine: number;
  readonly code: Buffer;
}

/** `struct sigaction` of the kernel: handler SIG_IGN, no flags, no restorer, empty mask. */
const IGNORE_SIGNAL = Buffer.from([1, ...Array<number>(31).fill(0)]);

function words(...instructions: number[]): Buffer {
  const code = Buffer.alloc(instructions.length * 4);
  for (const [index, instruction] of instructions.entries()) code.writeUInt32LE(instruction >>> 0, index * 4);
  return code;
}

const PROGRAMS: Partial<Record<NodeJS.Architecture, Program>> = {
  x64: {
    machine: 62,
    // rt_sigaction(17, rip+23, 0, 8); again: pause(); goto again
    code: Buffer.from("b80d000000bf11000000488d351700000031d241ba080000000f05b8220000000f05ebf700000000", "hex"),
  },
  arm64: {
    machine: 183,
    code: Buffer.concat([
      words(0xd28010c8, 0xd2800220, 0x10000181, 0xd2800002, 0xd2800103, 0xd4000001), // rt_sigaction(17, pc+48, 0, 8)
      words(0xd2800928, 0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd4000001), // again: ppoll(0, 0, 0, 0)
      words(0x17fffffa, 0xd503201f), // goto again; nop
    ]),
  },
};

const LOAD_ADDRESS = 0x400000;
const HEADERS_BYTES = 64 + 56;

/**
 * The smallest static program that can keep a pod's namespaces: some 200 bytes, one page of memory.
 *
 * @returns an ELF file, or `undefined` on an architecture that we have no code for.
 */
export function pauseBinary(architecture: NodeJS.Architecture = process.arch): Buffer | undefined {
  const program = PROGRAMS[architecture];
  if (program === undefined) return undefined;
  const body = Buffer.concat([program.code, IGNORE_SIGNAL]);
  const headers = Buffer.alloc(HEADERS_BYTES);
  headers.write("\x7fELF\x02\x01\x01", 0, "latin1"); // 64 bits, little endian
  headers.writeUInt16LE(2, 16); // executable
  headers.writeUInt16LE(program.machine, 18);
  headers.writeUInt32LE(1, 20);
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS + HEADERS_BYTES), 24); // entry
  headers.writeBigUInt64LE(64n, 32); // program headers follow this header
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(1, 56);
  headers.writeUInt32LE(1, 64); // PT_LOAD
  headers.writeUInt32LE(5, 68); // read, execute
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80);
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88);
  headers.writeBigUInt64LE(BigInt(HEADERS_BYTES + body.byteLength), 96);
  headers.writeBigUInt64LE(BigInt(HEADERS_BYTES + body.byteLength), 104);
  headers.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([headers, body]);
}
