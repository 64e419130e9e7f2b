import type { X509Certificate } from "node:crypto";
import { addressBytes } from "./certificate-builder.ts";
import {
  type CertificateAuthority,
  checkPair,
  type DerPair,
  readCertificate,
  type ServerNames,
} from "./certificate-authority.ts";
import { isoTime } from "./join-token.ts";
import { PkiError } from "./pki-error.ts";

const DAY_MS = 24 * 60 * 60_000;
/** A server certificate is replaced when it has less than this left, or a fifth of its life if that is shorter. */
const RENEW_BEFORE_MS = 30 * DAY_MS;
/** Names and addresses of one server certificate; more, and those of before are left out. */
export const SERVER_NAMES_MAX = 64;

/** Why the server certificate does not do any more; `undefined`: it does. */
export function whyReissue(
  pair: DerPair,
  ca: CertificateAuthority,
  names: ServerNames,
  nowMs: number,
): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = readCertificate(pair.certificate, "the server");
    checkPair(pair, "the server");
  } catch (error) {
    if (error instanceof PkiError) return error.message;
    throw error;
  }
  if (!ca.signed(certificate)) return "another CA signed it";
  const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (until - nowMs < Math.min(RENEW_BEFORE_MS, (until - from) / 5)) {
    // It cannot outlive the CA: as long as it can, it is.
    const caUntil = readCertificate(ca.pair.certificate, "the CA").validToDate.getTime();
    if (until < caUntil) return `it is valid until ${isoTime(until)} only`;
  }
  const missing = [
    ...names.ipAddresses.filter((address) => !hasAddress(certificate, address)),
    ...names.dnsNames.filter((name) => !hasName(certificate, name)),
  ];
  return missing.length === 0 ? undefined : `it does not name ${missing.join(", ")}`;
}

/**
 * What the next certificate is to name: what we are configured to be, and what the present one names. Replicas of
 * cloudcore share one certificate: were each to name only itself, they would replace it for ever. And who still dials an
 * old address is not locked out. A name that is gone from all configurations goes with the Secret.
 */
export function nextServerNames(present: DerPair | undefined, names: ServerNames): ServerNames {
  if (present === undefined) return names;
  let certificate: X509Certificate;
  try {
    certificate = readCertificate(present.certificate, "the server");
  } catch {
    return names;
  }
  const old = namesOf(certificate);
  const next = {
    dnsNames: [...new Set([...names.dnsNames, ...old.dnsNames])],
    ipAddresses: [
      ...names.ipAddresses,
      ...old.ipAddresses.filter((address) => !names.ipAddresses.some((own) => sameAddress(own, address))),
    ],
  };
  return next.dnsNames.length + next.ipAddresses.length <= SERVER_NAMES_MAX ? next : names;
}

function namesOf(certificate: X509Certificate): { dnsNames: string[]; ipAddresses: string[] } {
  const alternatives = (certificate.subjectAltName ?? "").split(", ");
  const after = (prefix: string) =>
    alternatives
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((name) => name !== "" && !name.startsWith('"')); // Node quotes what only a liar writes
  return { dnsNames: after("DNS:"), ipAddresses: after("IP Address:") };
}

function hasName(certificate: X509Certificate, name: string): boolean {
  return (
    namesOf(certificate).dnsNames.includes(name) || certificate.checkHost(name, { subject: "never" }) !== undefined
  );
}

function hasAddress(certificate: X509Certificate, address: string): boolean {
  return namesOf(certificate).ipAddresses.some((named) => sameAddress(named, address));
}

/** An IPv6 address may be written in many ways. */
function sameAddress(one: string, other: string): boolean {
  return addressBytes(one).equals(addressBytes(other));
}
