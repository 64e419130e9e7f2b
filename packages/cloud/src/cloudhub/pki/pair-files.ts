import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hasErrno } from "@kedge/runtime";
import type { DerPair } from "./certificate-authority.ts";
import { pemToDer } from "./pem.ts";
import { PkiError } from "./pki-error.ts";

/** @returns `undefined` if neither file is there. @throws {PkiError} `HalfPair` */
export async function readPairFiles(certificateFile: string, keyFile: string): Promise<DerPair | undefined> {
  const [certificatePem, keyPem] = [await readIfThere(certificateFile), await readIfThere(keyFile)];
  if (certificatePem === undefined && keyPem === undefined) return undefined;
  if (certificatePem === undefined || keyPem === undefined) {
    const [present, missing] = keyPem === undefined ? [certificateFile, keyFile] : [keyFile, certificateFile];
    throw new PkiError(`${present} is there but ${missing} is not: both are needed, or neither`, {
      code: "HalfPair",
      present,
      missing,
    });
  }
  const certificate = pemToDer(certificatePem, /CERTIFICATE/);
  if (certificate === undefined)
    throw new PkiError(`${certificateFile} holds no PEM certificate`, { code: "InvalidKey", where: certificateFile });
  return { certificate, key: readKeyPem(keyPem, keyFile) };
}

function readKeyPem(pem: string, file: string): Buffer {
  try {
    const key = createPrivateKey(pem);
    // KubeEdge stores and signs with SEC1; other keys are refused later, where it is known what they are for.
    return key.asymmetricKeyType === "ec"
      ? key.export({ type: "sec1", format: "der" })
      : key.export({ type: "pkcs8", format: "der" });
  } catch (cause) {
    throw new PkiError(`${file} holds no PEM private key`, { code: "InvalidKey", where: file }, { cause });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  if (file === "") return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
