import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** Of the node's certificate on this host, if there is one. */
export interface PresentCertificate {
  readonly commonName: string;
  readonly notAfterMs: number;
  readonly ca: string;
  readonly certificate: X509Certificate;
}

export interface CertificateFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export function presentCertificate({
  caFile,
  certFile,
}: Pick<CertificateFiles, "caFile" | "certFile">): PresentCertificate | undefined {
  try {
    const certificate = new X509Certificate(readFileSync(certFile, "utf8"));
    const commonName = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? "";
    return { commonName, notAfterMs: certificate.validToDate.getTime(), ca: readFileSync(caFile, "utf8"), certificate };
  } catch {
    return undefined;
  }
}

/** Whether it is this node's, of this cloud, and not about to end: then no new one is needed. */
export function serves(present: PresentCertificate | undefined, nodeName: string, ca: string | undefined): boolean {
  if (present === undefined || present.commonName !== `system:node:${nodeName}`) return false;
  if (present.notAfterMs <= Date.now()) return false;
  if (ca === undefined) return true;
  return present.certificate.verify(new X509Certificate(ca).publicKey);
}
