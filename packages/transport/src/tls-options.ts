import type { SecureContextOptions, SecureVersion } from "node:tls";

/** Certificates and keys as PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  /** Whom we trust: certificates of the CA, as PEM. */
  readonly ca: string;
}

/** TLS 1.3, and of TLS 1.2 the suites that KubeEdge's CloudHub accepts; they need an EC key. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
].join(":");

const MIN_VERSION: SecureVersion = "TLSv1.2";

/** How both ends of the channel speak TLS. @see `cloud-edge-protocol` §1.2 */
export function channelTls({ cert, key, ca }: TlsIdentity): SecureContextOptions {
  return { cert, key, ca, minVersion: MIN_VERSION, ciphers: CIPHERS };
}
