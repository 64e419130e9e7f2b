import type { KubeClient } from "@kedge/kube-client";
import type { Clock, Logger } from "@kedge/runtime";
import { CertificateAuthority } from "./certificate-authority.ts";
import { readPairFiles } from "./pair-files.ts";
import { CA_SECRET, createPair, ensureNamespace, KUBEEDGE_NAMESPACE, readPairSecret, savePair } from "./secrets.ts";

export interface CertificateFiles {
  readonly tlsCAFile: string;
  readonly tlsCAKeyFile: string;
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
}

export interface CertificateDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The CA: local files first, then the Secret, else made anew; what is used is written back to the Secret. It stays as long
 * as the Secret does: every node of the fleet trusts it.
 *
 * @throws {PkiError} for half a pair, a key that does not fit, or another key than EC.
 */
export async function loadCa(
  { tlsCAFile, tlsCAKeyFile }: Pick<CertificateFiles, "tlsCAFile" | "tlsCAKeyFile">,
  { kube, clock, logger }: CertificateDeps,
  signal: AbortSignal,
): Promise<CertificateAuthority> {
  await ensureNamespace(kube, signal);
  const local = await readPairFiles(tlsCAFile, tlsCAKeyFile);
  if (local !== undefined) {
    const ca = new CertificateAuthority(local, `${tlsCAFile} and ${tlsCAKeyFile}`);
    await savePair(CA_SECRET, local, kube, signal);
    return ca;
  }
  const where = `Secret ${KUBEEDGE_NAMESPACE}/${CA_SECRET.name}`;
  const stored = await readPairSecret(CA_SECRET, kube, signal);
  if (stored !== undefined) return new CertificateAuthority(stored, where);
  const ca = CertificateAuthority.create(clock.now());
  // Another instance may make one in this very moment: the first that is stored is the CA.
  if (await createPair(CA_SECRET, ca.pair, kube, signal)) {
    logger.info({ secret: CA_SECRET.name }, "made a new CA");
    return ca;
  }
  const theirs = await readPairSecret(CA_SECRET, kube, signal);
  return theirs === undefined ? ca : new CertificateAuthority(theirs, where);
}
