import { readFile } from "node:fs/promises";
import type { TlsIdentity } from "@kedge/transport";
import { hasErrno } from "@kedge/runtime";
import type { PemFiles } from "./stream-config.ts";

/** A server's certificate and key from these files if both are there, else `own`; likewise whom it trusts. */
export async function identityFrom(files: PemFiles, own: TlsIdentity): Promise<TlsIdentity> {
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  const pair = cert === undefined || key === undefined ? own : { cert, key };
  return { cert: pair.cert, key: pair.key, ca: ca ?? own.ca };
}

async function read(file: string): Promise<string | undefined> {
  if (file === "") return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
